// A host whose route asks another service, for the tests of external authentication.

import assert from "node:assert/strict";

import type { FilterValue, RouteValue } from "../../../agent/render/documents.ts";
import type { NginxView } from "../../../agent/render/files.ts";
import type { ExternalAuthValue } from "../../../agent/render/external-auth-document.ts";
import { Backend } from "./backend.ts";
import { Lines } from "./documents.ts";
import { TestNginx } from "./nginx.ts";
import type { Line } from "./push.ts";

const AUTH: ExternalAuthValue = {
  kind: "external_auth",
  scheme: "http",
  host: "auth.sso.svc:4180",
  backend: "sso/auth/4180",
  target: ["/check"],
  method: "GET",
  verify: "off",
  request_headers: [],
  response_headers: [],
  redirect: ["$request_uri"],
  sign_in: [],
  sign_in_param: "rd",
  always_set_cookie: false,
  cache: { key: [], valid: [] },
};

export interface SiteOptions {
  readonly auth?: Partial<ExternalAuthValue>;
  /** "address:port" of the service; usually its own. */
  readonly authPeers?: readonly string[];
  readonly filters?: readonly FilterValue[];
  readonly route?: Partial<RouteValue>;
}

/** nginx with one worker, a backend and a service that is asked; both answer 200 unless told otherwise. */
export class AuthSite implements AsyncDisposable {
  readonly nginx: TestNginx;
  readonly backend: Backend;
  readonly auth: Backend;
  readonly lines = new Lines();

  private constructor(nginx: TestNginx, backend: Backend, auth: Backend) {
    this.nginx = nginx;
    this.backend = backend;
    this.auth = auth;
  }

  static async start(view: Partial<NginxView> = {}): Promise<AuthSite> {
    const [nginx, backend, auth] = await Promise.all([
      TestNginx.start({ workers: 1, httpsPort: 8443, view }),
      Backend.start("b"),
      Backend.start("auth"),
    ]);
    return new AuthSite(nginx, backend, auth);
  }

  /** Both answer 200 again, and nothing was asked yet. */
  reset(): void {
    this.backend.seen.length = 0;
    this.auth.seen.length = 0;
    this.backend.answer = (incoming, outgoing) => {
      incoming.resume();
      incoming.on("end", () => outgoing.end("b"));
    };
    this.authAnswers(200);
  }

  authAnswers(status: number, headers: Readonly<Record<string, string | string[]>> = {}, body = ""): void {
    this.auth.answer = (_, outgoing) => outgoing.writeHead(status, headers).end(body);
  }

  async put(...pushed: readonly Line[]): Promise<void> {
    for (const result of await this.nginx.push.put(...pushed)) assert.equal(result.result, "applied", result.message);
  }

  /** A host `name` all of whose requests are asked about. */
  async use(name: string, { auth = {}, authPeers = [this.auth.peer], filters = [], route = {} }: SiteOptions = {}) {
    await this.put(
      this.lines.backend(`${name}/web/80`, [this.backend.peer]),
      this.lines.backend(`${name}/auth/80`, authPeers),
      this.lines.route(`${name}/i/all`, `${name}/web/80`, {
        filters: [{ ...AUTH, backend: `${name}/auth/80`, ...auth }, ...filters],
        ...route,
      }),
      this.lines.host(name, { "/": `${name}/i/all` }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([
      this.nginx[Symbol.asyncDispose](),
      this.backend[Symbol.asyncDispose](),
      this.auth[Symbol.asyncDispose](),
    ]);
  }
}
