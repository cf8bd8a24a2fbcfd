// A thin HTTP client for one API server: GET as JSON, GET as a stream, POST of JSON. No retries: who calls decides.
// It must not know resources, and must not wait for anything without a deadline.

import http from "node:http";
import type { Agent, ClientRequest, IncomingMessage } from "node:http";
import https from "node:https";
import type { Connection, Credentials } from "./connection.ts";
import { ApiFailure, failureFromStatus, garbage, toFailure } from "./failure.ts";

export interface CallOptions {
  readonly signal: AbortSignal;
  /** From the request to the head of the answer (`open`), or to its last byte (`getJson`). */
  readonly msMax: number;
}

/** Bodies of errors, and of what was made by a POST, are short; a longer one is not read to its end. */
const SHORT_BYTES_MAX = 64 * 1024;

export class ApiClient {
  readonly connection: Connection;
  readonly #userAgent: string;
  #agent: Agent | null = null;
  #agentKey = "";

  constructor(connection: Connection, version: string) {
    this.connection = connection;
    this.#userAgent = `headgate/${version}`;
  }

  /** GET `path` as JSON. Throws ApiFailure; `bytesMax` bounds the body. */
  async getJson(path: string, bytesMax: number, options: CallOptions): Promise<unknown> {
    const bounds = new CallBounds(options);
    try {
      const answer = await this.#request(path, bounds.signal);
      await this.#expectOk(answer);
      return parseJson(await readBody(answer, bytesMax));
    } catch (error) {
      throw bounds.failure(error);
    } finally {
      bounds.release();
    }
  }

  /** POST `value` to make an object. Throws ApiFailure; of a success only the end of the answer counts. */
  async postJson(path: string, value: object, options: CallOptions): Promise<void> {
    const bounds = new CallBounds(options);
    try {
      const answer = await this.#request(path, bounds.signal, JSON.stringify(value));
      await this.#expectOk(answer, 201);
      await readBody(answer, SHORT_BYTES_MAX);
    } catch (error) {
      throw bounds.failure(error);
    } finally {
      bounds.release();
    }
  }

  /**
   * GET `path` and give the answer when its head is there and says 200. The caller reads or destroys the body; its
   * `signal` ends it too. Throws ApiFailure.
   */
  async open(path: string, options: CallOptions): Promise<IncomingMessage> {
    const bounds = new CallBounds(options);
    try {
      const answer = await this.#request(path, bounds.signal);
      await this.#expectOk(answer);
      bounds.keepForStream();
      answer.once("close", () => bounds.release());
      return answer;
    } catch (error) {
      bounds.release();
      throw bounds.failure(error);
    }
  }

  /** Closes what is idle. Calls under way end by their own signals. */
  close(): void {
    this.#dropAgent();
  }

  async #request(path: string, signal: AbortSignal, body: string | null = null): Promise<IncomingMessage> {
    const credentials = await this.connection.credentials();
    signal.throwIfAborted();
    const { server } = credentials;
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const call: ClientRequest = (server.protocol === "http:" ? http : https).request({
      protocol: server.protocol,
      hostname: server.hostname.replace(/^\[(.*)\]$/, "$1"),
      port: server.port || (server.protocol === "http:" ? 80 : 443),
      path: server.pathname.replace(/\/$/, "") + path,
      method: body === null ? "GET" : "POST",
      headers: {
        ...credentials.headers,
        "user-agent": this.#userAgent,
        accept: "application/json",
        ...(body === null ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
      },
      agent: this.#agentFor(credentials),
      signal,
    });
    call.on("response", resolve);
    // Stays for the life of the request: an error after the answer began also comes here, when a socket is reset.
    call.on("error", reject);
    call.end(body ?? undefined);
    return promise;
  }

  async #expectOk(answer: IncomingMessage, wanted: 200 | 201 = 200): Promise<void> {
    const status = answer.statusCode ?? 0;
    if (status === wanted) {
      if (String(answer.headers["content-type"]).startsWith("application/json")) return;
      answer.destroy();
      throw garbage(`content type ${String(answer.headers["content-type"])}`);
    }
    if (status === 401) this.connection.refused();
    let body = "";
    try {
      body = await readBody(answer, SHORT_BYTES_MAX);
    } catch {
      // The status says enough.
    }
    throw failureFromStatus(status, body, answer.headers["retry-after"]);
  }

  #agentFor(credentials: Credentials): Agent {
    if (credentials.proxyAgent !== null) return credentials.proxyAgent;
    if (this.#agent !== null && this.#agentKey === credentials.key) return this.#agent;
    this.#dropAgent();
    // Watches hold a socket each, so the pool has no cap; reflectors bound their number.
    const common = { keepAlive: true, keepAliveMsecs: 15_000 };
    const { tls } = credentials;
    this.#agent =
      credentials.server.protocol === "http:"
        ? new http.Agent(common)
        : new https.Agent({
            ...common,
            ...(tls.ca === null ? {} : { ca: tls.ca }),
            ...(tls.cert === null ? {} : { cert: tls.cert }),
            ...(tls.key === null ? {} : { key: tls.key }),
            ...(tls.serverName === null ? {} : { servername: tls.serverName }),
            rejectUnauthorized: !tls.skipVerify,
          });
    this.#agentKey = credentials.key;
    return this.#agent;
  }

  /** Lets the pool go without cutting what is under way: only idle sockets are closed. */
  #dropAgent(): void {
    for (const sockets of Object.values(this.#agent?.freeSockets ?? {})) {
      for (const socket of sockets ?? []) socket.destroy();
    }
    this.#agent = null;
  }
}

async function readBody(answer: IncomingMessage, bytesMax: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer) {
    const part = Buffer.from(chunk);
    bytes += part.length;
    if (bytes > bytesMax) {
      answer.destroy();
      throw new ApiFailure("apiserver-garbage", `API server's answer is larger than ${bytesMax} bytes`, {
        status: 413,
      });
    }
    chunks.push(part);
  }
  if (!answer.complete) throw new ApiFailure("apiserver-unreachable", "connection lost in the middle of an answer");
  return decodeStrict(Buffer.concat(chunks));
}

function decodeStrict(bytes: Buffer): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw garbage("bytes that are no UTF-8");
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw garbage("no JSON");
  }
}

/**
 * The caller's signal and a deadline as one signal that can be let go. (AbortSignal.any would do, but each use of it
 * stays linked to the source's signal, which lives as long as the agent.)
 */
class CallBounds {
  readonly #options: CallOptions;
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #onAbort = (): void => this.#controller.abort();
  #expired = false;

  constructor(options: CallOptions) {
    this.#options = options;
    this.#timer = setTimeout(() => {
      this.#expired = true;
      this.#controller.abort();
    }, options.msMax);
    options.signal.addEventListener("abort", this.#onAbort);
    if (options.signal.aborted) this.#controller.abort();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The deadline was kept; the caller's signal still counts. */
  keepForStream(): void {
    clearTimeout(this.#timer);
  }

  release(): void {
    clearTimeout(this.#timer);
    this.#options.signal.removeEventListener("abort", this.#onAbort);
  }

  failure(error: unknown): ApiFailure {
    if (this.#options.signal.aborted) return new ApiFailure("aborted", "the source was stopped");
    if (this.#expired) {
      const seconds = this.#options.msMax / 1000;
      return new ApiFailure("apiserver-unreachable", `no answer in ${seconds} s`, { cause: error });
    }
    return toFailure(error);
  }
}
