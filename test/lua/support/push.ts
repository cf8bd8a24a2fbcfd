// A small client of the push API, apart from the agent's own.

import { request } from "node:http";

import type { DocumentKind } from "../../../agent/render/documents.ts";

export interface Line {
  readonly kind: DocumentKind;
  readonly key: string;
  readonly generation: number;
  readonly schema?: number;
  readonly value: unknown;
}
export interface Result {
  readonly result: string;
  readonly held?: number;
  readonly message?: string;
}
export interface State {
  readonly schema: number;
  readonly version: string;
  readonly epoch: string;
  readonly generation: number;
  readonly kinds: Readonly<Record<DocumentKind, { readonly count: number; readonly digest: string }>>;
  readonly memory: Readonly<Record<string, { readonly capacity: number; readonly free: number }>>;
  readonly worker: { readonly pid: number; readonly configuration: number };
  readonly workers: readonly { readonly pid: number; readonly configuration: number }[];
  readonly master_pid: number;
  readonly problems: readonly string[];
}
export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

export class PushClient {
  readonly #socket: string;

  constructor(socket: string) {
    this.#socket = socket;
  }

  /** Any call, each on a connection of its own, so that every worker gets some. */
  call(method: string, path: string, body?: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const outgoing = request({ socketPath: this.#socket, method, path, agent: false }, (incoming) => {
        const chunks: Buffer[] = [];
        incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
        incoming.on("error", reject);
        incoming.on("end", () =>
          resolve({
            status: incoming.statusCode ?? 0,
            type: incoming.headers["content-type"] ?? "",
            text: Buffer.concat(chunks).toString(),
          }),
        );
      });
      outgoing.on("error", reject);
      outgoing.end(body);
    });
  }

  async json<T>(method: string, path: string): Promise<T> {
    const answer = await this.call(method, path);
    if (answer.status !== 200) {
      throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
    }
    return JSON.parse(answer.text) as T; // the tests say what they ask for
  }

  /** Pushes lines; strings go as they are. */
  async put(...lines: readonly (Line | string)[]): Promise<readonly Result[]> {
    const texts = lines.map((line) => (typeof line === "string" ? line : JSON.stringify({ schema: 1, ...line })));
    const answer = await this.call("PUT", "/v1/documents", `${texts.join("\n")}\n`);
    if (answer.status !== 200) {
      throw new Error(`push: ${answer.status} ${answer.text}`);
    }
    const results = answer.text.trimEnd().split("\n");
    return results.map((text) => JSON.parse(text) as Result); // documented answer
  }

  state(): Promise<State> {
    return this.json("GET", "/v1/state");
  }
}
