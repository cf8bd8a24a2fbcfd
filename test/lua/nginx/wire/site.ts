// The hosts that the cases of this folder ask for, all before one recording backend.

import assert from "node:assert/strict";
import { Lines } from "../../support/documents.ts";
import { hasHttp2Directive, type NginxOptions, TestNginx } from "../../support/nginx.ts";
import type { Door } from "../../support/raw-http1.ts";
import { Recorder } from "../../support/recorder.ts";

/** False in Debian 12, which runs only the cases where its nginx has code of its own. */
export const FULL_SET = process.env["HEADGATE_TEST_SUITE"] !== "bookworm";

/** `wire.test` serves everything; `strict.test` too, but for /admin, which is closed and makes the host strict. */
export class Site implements AsyncDisposable {
  readonly nginx: TestNginx;
  readonly recorder: Recorder;
  readonly lines: Lines;

  private constructor(nginx: TestNginx, recorder: Recorder, lines: Lines) {
    this.nginx = nginx;
    this.recorder = recorder;
    this.lines = lines;
  }

  static async start(options: NginxOptions = {}): Promise<Site> {
    const [nginx, recorder, lines] = [await TestNginx.start(options), await Recorder.start(), new Lines()];
    const closed = lines.route("test/wire-test/closed", "test/wire-test/80", { closed: "guarded" });
    await nginx.push.put(
      ...lines.site("wire.test", [recorder.peer]),
      closed,
      lines.host("strict.test", { "/": "test/wire-test/all", "/admin": closed.key }, { strict_paths: true }),
    );
    return new Site(nginx, recorder, lines);
  }

  get plain(): Door {
    return { port: this.nginx.http, secure: false };
  }

  get secure(): Door {
    return { port: this.nginx.https, secure: true };
  }

  /** Where nginx takes HTTP/2: over TLS, and on plain connections where it can tell it from HTTP/1.1. */
  get http2Doors(): readonly Door[] {
    return hasHttp2Directive() ? [this.secure, this.plain] : [this.secure];
  }

  /** Fails when the backend was sent anything but these requests: "GET /x", or "POST /x hello" with a body. */
  arrived(expected: readonly string[]): void {
    assert.deepEqual(this.recorder.faults, []);
    assert.equal(this.recorder.rest, "", "bytes that make no request arrived");
    const seen = this.recorder.requests.map(
      ({ method, uri, body }) => `${method} ${uri}${body === "" ? "" : ` ${body}`}`,
    );
    assert.deepEqual(seen, expected);
  }

  /** Fails unless some request at the backend has each header of `has` ("name: value"), and none has those of `hasNot`. */
  recorderHas({
    has = [],
    hasNot = [],
  }: {
    readonly has?: readonly string[];
    readonly hasNot?: readonly string[];
  }): void {
    const headers = this.recorder.requests.flatMap((seen) => seen.headers);
    const written = headers.map(([name, value]) => `${name.toLowerCase()}: ${value}`);
    for (const line of has) assert.ok(written.includes(line), `${line} is in ${written.join(" | ")}`);
    const names = new Set(headers.map(([name]) => name.toLowerCase()));
    for (const name of hasNot) assert.ok(!names.has(name), `${name} arrives`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.nginx[Symbol.asyncDispose]();
    await this.recorder[Symbol.asyncDispose]();
  }
}
