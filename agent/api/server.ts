// The two doors of the agent: a unix socket for the CLI, and a loopback port for probes and Prometheus.
// In: functions that say how things are. Out: answers. It knows no rule of the domain. Only the
// socket takes a body, for `plan` and `accept`.

import { chmod, mkdir, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { connect } from "node:net";
import { dirname } from "node:path";
import { AgentError, errorText } from "../lib/errors.ts";
import type { Logger } from "../lib/log.ts";
import { checksText } from "./readiness.ts";
import type { Check } from "./readiness.ts";
import { parsePlanRequest } from "./plan-request.ts";
import { PLAN_BYTES_MAX } from "./wire.ts";
import type {
  AcceptReport,
  ExplainReport,
  PlanReport,
  PlanRequest,
  RenderReport,
  StatusReport,
  WireError,
} from "./wire.ts";

export interface ExplainQuery {
  readonly method: string;
  /** Absolute, http or https. */
  readonly url: URL;
  /** Path and query as they were written, before `URL` resolved anything; "/" for none. */
  readonly target: string;
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Ask nginx too. */
  readonly live: boolean;
}

/** What the answers are made of. Each is called for each request, so it must be cheap, but for `render` and `plan`. */
export interface ApiInputs {
  readonly report: () => StatusReport | Promise<StatusReport>;
  readonly explain: (query: ExplainQuery) => ExplainReport | Promise<ExplainReport>;
  readonly render: () => RenderReport | Promise<RenderReport>;
  /** Believes a list of the source that was held back; null: all of them. Throws AgentError usage. */
  readonly accept: (kind: string | null) => AcceptReport;
  /** `signal` is aborted when nobody waits for the answer any more. */
  readonly plan: (request: PlanRequest, signal: AbortSignal) => Promise<PlanReport>;
  /** Whether the loop is alive. */
  readonly health: () => readonly Check[];
  readonly readiness: () => readonly Check[];
  readonly metrics: () => Promise<string>;
  /** Text to append to the metrics: what the data plane counts. A rejection costs only that part. */
  readonly dataPlaneMetrics: (signal: AbortSignal) => Promise<string>;
}

export interface ApiServerOptions {
  /** Absolute path of the unix socket; made 0660. */
  readonly socket: string;
  readonly address: string;
  /** null: no loopback port. */
  readonly port: number | null;
  readonly inputs: ApiInputs;
  readonly log: Logger;
}

export interface ApiServer {
  /** The loopback port in use (the kernel's choice for port 0 in tests), null without one. */
  readonly port: number | null;
  stop(): Promise<void>;
}

const HEADERS_MS_MAX = 5000;
const REQUEST_MS_MAX = 10_000;
const CONNECTIONS_MAX = 64;
const HEADER_BYTES_MAX = 16 * 1024;
const URL_CHARACTERS_MAX = 8192;
/** Of a request to be explained. */
const HEADERS_MAX = 50;
const ACCEPT_BYTES_MAX = 1024;
const DATA_PLANE_METRICS_MS_MAX = 2000;
const PROBE_MS_MAX = 1000;

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}
type Handler = (query: URLSearchParams) => Answer | Promise<Answer>;
interface BodyHandler {
  /** A longer body is not read at all. */
  readonly bytesMax: number;
  readonly answer: (body: string, signal: AbortSignal) => Answer | Promise<Answer>;
}
/** By path. */
interface Routes {
  readonly get: ReadonlyMap<string, Handler>;
  readonly post: ReadonlyMap<string, BodyHandler>;
}

/** Throws AgentError when the socket or the port cannot be had. */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { inputs, log } = options;
  const cli = makeServer(cliRoutes(inputs), log);
  await listenOnSocket(cli, options.socket);
  if (options.port === null) return { port: null, stop: () => close(cli, options.socket) };
  const probes = makeServer({ get: new Map(probeRoutes(inputs, log)), post: new Map() }, log);
  try {
    await listenOnPort(probes, options.address, options.port);
  } catch (thrown) {
    await close(cli, options.socket);
    throw thrown;
  }
  const bound = probes.address();
  return {
    port: typeof bound === "object" && bound !== null ? bound.port : null,
    stop: async () => {
      await Promise.all([close(cli, options.socket), close(probes, null)]);
    },
  };
}

function cliRoutes(inputs: ApiInputs): Routes {
  return {
    get: new Map<string, Handler>([
      ["/v1/status", async () => json(200, await inputs.report())],
      ["/v1/render", async () => json(200, await inputs.render())],
      ["/v1/explain", async (query) => json(200, await inputs.explain(explainQuery(query)))],
    ]),
    post: new Map<string, BodyHandler>([
      ["/v1/accept", { bytesMax: ACCEPT_BYTES_MAX, answer: (body) => json(200, inputs.accept(acceptedKind(body))) }],
      [
        "/v1/plan",
        {
          bytesMax: PLAN_BYTES_MAX,
          answer: async (body, signal) => json(200, await inputs.plan(parsePlanRequest(body), signal)),
        },
      ],
    ]),
  };
}

function probeRoutes(inputs: ApiInputs, log: Logger): readonly (readonly [string, Handler])[] {
  const checks =
    (list: () => readonly Check[]): Handler =>
    (query) => {
      const { ok, text } = checksText(list(), query.has("verbose"));
      return { status: ok ? 200 : 503, type: "text/plain; charset=utf-8", body: text };
    };
  return [
    ["/healthz", checks(inputs.health)],
    ["/readyz", checks(inputs.readiness)],
    [
      "/metrics",
      async () => {
        const [own, dataPlane] = await Promise.all([inputs.metrics(), dataPlaneMetrics(inputs, log)]);
        return { status: 200, type: "text/plain; version=0.0.4; charset=utf-8", body: `${own}${dataPlane}` };
      },
    ],
  ];
}

async function dataPlaneMetrics(inputs: ApiInputs, log: Logger): Promise<string> {
  try {
    return await inputs.dataPlaneMetrics(AbortSignal.timeout(DATA_PLANE_METRICS_MS_MAX));
  } catch (thrown) {
    log.debug("Metrics of the data plane are missing", { error: errorText(thrown) });
    return "";
  }
}

function explainQuery(query: URLSearchParams): ExplainQuery {
  const method = query.get("method") ?? "GET";
  const text = query.get("url") ?? "";
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!/^[A-Z]{1,32}$/.test(method)) {
    throw new AgentError("usage", `cannot explain: method ${JSON.stringify(method)} is no HTTP method`, {
      hint: "Write GET.",
    });
  }
  if (url === null || text.length > URL_CHARACTERS_MAX || !/^https?:$/.test(url.protocol)) {
    const hint = "Write it with scheme and host, like http://shop.example.org/cart.";
    throw new AgentError("usage", `cannot explain: ${JSON.stringify(text.slice(0, 200))} is no http or https URL`, {
      hint,
    });
  }
  const target = /^https?:[/\\]*[^/?#\\]*([^#]*)/i.exec(text)?.[1] || "/";
  return { method, url, target, headers: explainHeaders(query.getAll("header")), live: query.get("live") === "1" };
}

function explainHeaders(lines: readonly string[]): Readonly<Record<string, string>> {
  const headers = lines.slice(0, HEADERS_MAX).map((line): [string, string] => {
    const [, name, value] = /^([\w-]{1,128}):[ ]*([ -~]{0,4096})$/.exec(line) ?? [];
    if (name === undefined || value === undefined) {
      throw new AgentError("usage", `cannot explain: ${JSON.stringify(line.slice(0, 200))} is no header`, {
        hint: 'Write it like "X-Canary: always".',
      });
    }
    return [name.toLowerCase(), value];
  });
  return Object.fromEntries(headers);
}

/** Of an AcceptRequest. */
function acceptedKind(body: string): string | null {
  const kind = /^\{"kind":(?:null|"([A-Za-z]{1,63})")\}$/.exec(body);
  if (kind === null) {
    throw new AgentError("usage", "cannot accept: that is no kind of objects", { hint: "Write EndpointSlice." });
  }
  return kind[1] ?? null;
}

function makeServer(routes: Routes, log: Logger): Server {
  const server = createServer(
    { headersTimeout: HEADERS_MS_MAX, requestTimeout: REQUEST_MS_MAX, maxHeaderSize: HEADER_BYTES_MAX },
    (request, response) => {
      const left = new AbortController();
      response.once("close", () => left.abort());
      void answer(routes, { request, signal: left.signal }, log).then((result) => send(response, request, result));
    },
  );
  server.maxConnections = CONNECTIONS_MAX;
  return server;
}

interface Asked {
  readonly request: IncomingMessage;
  /** Aborted when nobody waits any more. */
  readonly signal: AbortSignal;
}

/** Never rejects: what a handler throws becomes an answer. */
async function answer(routes: Routes, { request, signal }: Asked, log: Logger): Promise<Answer> {
  const url = URL.parse(request.url ?? "/", "http://agent");
  const path = url?.pathname ?? "";
  const post = request.method === "POST" ? routes.post.get(path) : undefined;
  const get = request.method === "GET" || request.method === "HEAD" ? routes.get.get(path) : undefined;
  try {
    if (post !== undefined) return await post.answer(await readBody(request, post.bytesMax), signal);
    if (hasBody(request)) return noBody();
    if (get !== undefined && url !== null) return await get(url.searchParams);
    return noRoute(routes, request.method ?? "", path);
  } catch (thrown) {
    if (thrown instanceof BodyError) return wireError(413, { code: "body", message: thrown.message, hint: null });
    if (thrown instanceof AgentError) {
      return wireError(400, { code: thrown.code, message: thrown.message, hint: thrown.hint });
    }
    if (!signal.aborted) log.error("Answering failed", { path, error: thrown });
    return wireError(500, { code: "internal", message: errorText(thrown), hint: "See the log of the agent." });
  }
}

function hasBody({ headers }: IncomingMessage): boolean {
  return Number(headers["content-length"] ?? 0) > 0 || headers["transfer-encoding"] !== undefined;
}

function noBody(): Answer {
  return wireError(413, { code: "body", message: "cannot take a body: nothing here reads one", hint: null });
}

function noRoute(routes: Routes, method: string, path: string): Answer {
  const known = routes.get.has(path) ? "GET" : routes.post.has(path) ? "POST" : null;
  if (known !== null) {
    const message = `cannot answer ${method}: only ${known} is known here`;
    return wireError(405, { code: "method", message, hint: null });
  }
  const hint = `Known here: ${[...routes.get.keys(), ...routes.post.keys()].join(", ")}.`;
  return wireError(404, { code: "path", message: "cannot find that path", hint });
}

class BodyError extends Error {}

/** At most `bytesMax`, with a length: what is longer is not read at all. */
async function readBody(request: IncomingMessage, bytesMax: number): Promise<string> {
  const length = Number(request.headers["content-length"] ?? Number.NaN);
  if (!(length <= bytesMax)) {
    throw new BodyError(`cannot take the body: say its length, at most ${bytesMax} bytes`);
  }
  const parts: Buffer[] = [];
  for await (const part of request as AsyncIterable<Buffer>) parts.push(part); // no encoding is set: these are buffers
  return Buffer.concat(parts).toString("utf8");
}

function json(status: number, value: unknown): Answer {
  return { status, type: "application/json", body: JSON.stringify(value) };
}

function wireError(status: number, error: WireError): Answer {
  return json(status, error);
}

function send(response: ServerResponse, request: IncomingMessage, result: Answer): void {
  response.writeHead(result.status, {
    "content-type": result.type,
    "content-length": Buffer.byteLength(result.body),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    connection: "close",
  });
  response.end(request.method === "HEAD" ? undefined : result.body);
}

async function listenOnSocket(server: Server, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o750 });
  if (await answers(path)) {
    throw new AgentError("state-unwritable", `cannot listen on ${path}: another agent answers there`, {
      hint: "Stop it first, or give this one another --state-dir.",
    });
  }
  // What a crashed agent left.
  await rm(path, { force: true });
  // Nobody may connect between bind and chmod. The bind happens before `listen` returns, so the mask is back at once.
  const mask = process.umask(0o117);
  const listening = listen(server, { path }, path, "Check that its folder can be written.");
  process.umask(mask);
  await listening;
  await chmod(path, 0o660);
}

async function listenOnPort(server: Server, host: string, port: number): Promise<void> {
  const hint = "Set api.port (--api-port) to a free port, or to 0 for none.";
  await listen(server, { host, port }, `${host} port ${port}`, hint);
}

async function listen(
  server: Server,
  where: { readonly path: string } | { readonly host: string; readonly port: number },
  name: string,
  hint: string,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const failed = (error: Error): void => {
    reject(new AgentError("config-invalid", `cannot listen on ${name}: ${errorText(error)}`, { hint, cause: error }));
  };
  server.once("error", failed);
  server.listen(where, () => {
    server.off("error", failed);
    resolve();
  });
  await promise;
}

/** Whether somebody accepts connections on the unix socket. */
async function answers(path: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const probe = connect(path);
  probe.setTimeout(PROBE_MS_MAX, () => resolve(true));
  probe.once("connect", () => resolve(true));
  probe.once("error", () => resolve(false));
  const result = await promise;
  probe.destroy();
  return result;
}

async function close(server: Server, socket: string | null): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  server.closeAllConnections();
  await promise;
  if (socket !== null) await rm(socket, { force: true });
}
