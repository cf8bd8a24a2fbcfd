// One watch request, from its head to its end. Events reach `onEvents` in the same tick as their bytes.

import type { IncomingMessage } from "node:http";
import type { ApiClient } from "./client.ts";
import { ApiFailure, garbage, toFailure } from "./failure.ts";
import type { Limits } from "./limits.ts";
import { LineSplitter, parseWatchEvent } from "./watch-events.ts";
import type { WatchEvent } from "./watch-events.ts";

export interface WatchCall {
  readonly client: ApiClient;
  /** With its whole query. */
  readonly path: string;
  readonly kind: string;
  readonly limits: Limits;
  readonly signal: AbortSignal;
  /** Set while the initial events of WatchList are awaited; the first bookmark that ends them clears it. */
  readonly initial: boolean;
  /** The server said 200 and the stream has begun. */
  readonly onOpen: () => void;
  /** All events that one chunk of bytes completed. Whatever it throws ends the watch. */
  readonly onEvents: (events: readonly WatchEvent[]) => void;
}

export type WatchEnd =
  /** By the server, in order. */
  | { readonly kind: "closed" }
  /** Not a byte for limits.quietMsMax. */
  | { readonly kind: "quiet" }
  | { readonly kind: "failed"; readonly failure: ApiFailure };

/** Runs one watch to its end; never throws. After it returned, no callback comes any more. */
export async function runWatch(call: WatchCall): Promise<WatchEnd> {
  let answer: IncomingMessage;
  try {
    answer = await call.client.open(call.path, { signal: call.signal, msMax: call.limits.answerMsMax });
  } catch (error) {
    return { kind: "failed", failure: toFailure(error) };
  }
  call.onOpen();
  return new WatchStream(call, answer).end;
}

/** The answer's body. Its first end wins: what an ended stream still says is heard by nobody. */
class WatchStream {
  readonly end: Promise<WatchEnd>;
  readonly #call: WatchCall;
  readonly #answer: IncomingMessage;
  readonly #resolve: (end: WatchEnd) => void;
  readonly #splitter: LineSplitter;
  readonly #initialTimer: NodeJS.Timeout | undefined;
  #quietTimer: NodeJS.Timeout;
  #initial: boolean;
  #ended = false;

  constructor(call: WatchCall, answer: IncomingMessage) {
    const { promise, resolve } = Promise.withResolvers<WatchEnd>();
    this.end = promise;
    this.#resolve = resolve;
    this.#call = call;
    this.#answer = answer;
    this.#initial = call.initial;
    this.#splitter = new LineSplitter(call.limits.lineBytesMax);
    this.#quietTimer = this.#startQuietTimer();
    if (call.initial) {
      this.#initialTimer = setTimeout(() => this.#failInitial(), call.limits.initialMsMax);
    }
    answer.on("data", (chunk: Buffer) => this.#take(chunk));
    answer.on("end", () => this.#finishInOrder());
    answer.on("error", (error) => this.#fail(error));
    answer.on("close", () => this.#fail(new Error("connection lost in the middle of a watch")));
  }

  #take(chunk: Buffer): void {
    if (this.#ended) return;
    const events: WatchEvent[] = [];
    let thrown: unknown = null;
    try {
      this.#splitter.push(chunk, (line) => events.push(parseWatchEvent(line, this.#call.kind)));
    } catch (error) {
      thrown = error;
    }
    try {
      // What came before a bad line is good, and the sooner it is served the better.
      if (events.length > 0) this.#call.onEvents(events);
    } catch (error) {
      thrown ??= error;
    }
    if (thrown !== null) {
      this.#fail(thrown);
      return;
    }
    if (this.#initial && events.some((event) => event.kind === "bookmark" && event.initialEnd)) {
      this.#initial = false;
      clearTimeout(this.#initialTimer);
      clearTimeout(this.#quietTimer);
      this.#quietTimer = this.#startQuietTimer();
      return;
    }
    this.#quietTimer.refresh();
  }

  #startQuietTimer(): NodeJS.Timeout {
    const { quietMsMax, initialQuietMsMax } = this.#call.limits;
    if (this.#initial) return setTimeout(() => this.#failInitial(), initialQuietMsMax);
    return setTimeout(() => this.#finish({ kind: "quiet" }), quietMsMax);
  }

  #failInitial(): void {
    this.#fail(new ApiFailure("apiserver-garbage", "the initial events of a watch did not end"));
  }

  #finishInOrder(): void {
    if (this.#splitter.inLine) this.#fail(garbage("half a watch event"));
    else if (this.#initial) this.#failInitial();
    else this.#finish({ kind: "closed" });
  }

  #fail(error: unknown): void {
    const { signal } = this.#call;
    const failure = signal.aborted ? new ApiFailure("aborted", "the source was stopped") : toFailure(error);
    this.#finish({ kind: "failed", failure });
  }

  #finish(end: WatchEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#quietTimer);
    clearTimeout(this.#initialTimer);
    // 'error' may still come from the socket; the listeners stay for it and do nothing.
    this.#answer.destroy();
    this.#resolve(end);
  }
}
