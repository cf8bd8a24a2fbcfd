// A small API server: real HTTP or HTTPS, lists in pages, watches with bookmarks and WatchList, tokens, and faults.
// It is held to the real one by test/kube/contract.test.ts. It validates nothing and need not be fast.

import http from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import https from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { applyFault, Faults, reset, sendStatus, statusBody } from "./kube-faults.ts";
import type { FakeRequest } from "./kube-faults.ts";
import { bearerOf, requestOf, route, selectionOf } from "./kube-requests.ts";
import type { Target } from "./kube-requests.ts";
import { FAKE_RESOURCES, FakeObjects, seenAs } from "./kube-objects.ts";
import type { FakeEvent, FakeObject, FakeResource, Selection } from "./kube-objects.ts";

export interface FakeOptions {
  /** 0: any free port. */
  readonly port?: number;
  /** Loopback unless told. */
  readonly address?: string;
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Bearer tokens that are let in; undefined: everybody is. */
  readonly tokens?: ReadonlySet<string>;
  /** How sendInitialEvents=true is answered: rightly, as on etcd 3.4, as with the gate off, or as before 1.27. */
  readonly watchList?: "on" | "error-event" | "forbidden" | "ignored";
  readonly bookmarkMs?: number;
}

interface Watcher {
  readonly request: FakeRequest;
  readonly selection: Selection;
  readonly response: ServerResponse;
  /** Says nothing any more, not even bookmarks, and does not end. */
  muted: boolean;
  readonly stop: () => void;
}

interface ListPage {
  readonly items: readonly FakeObject[];
  readonly next: string;
  readonly version: number;
}

interface Snapshot {
  readonly version: number;
  readonly rest: readonly FakeObject[];
}

export class FakeApiServer {
  readonly objects = new FakeObjects();
  readonly faults = new Faults();
  /** Every request since the start, oldest first. */
  readonly requests: FakeRequest[] = [];
  /** Plurals that answer 403, and plurals that are not there at all. */
  readonly forbidden = new Set<string>();
  readonly absent = new Set<string>();
  /** Tokens of `tokens` that are let in but may do nothing. */
  readonly strangers = new Set<string>();
  tokens: ReadonlySet<string> | null;
  watchList: NonNullable<FakeOptions["watchList"]>;
  readonly #options: FakeOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #watchers = new Set<Watcher>();
  readonly #snapshots = new Map<string, Snapshot>();
  #snapshotIds = 0;
  #port = 0;

  constructor(options: FakeOptions = {}) {
    this.#options = options;
    this.tokens = options.tokens ?? null;
    this.watchList = options.watchList ?? "on";
    const handle = (request: IncomingMessage, response: ServerResponse): void => {
      this.#handle(request, response).catch((error: unknown) =>
        response.destroy(error instanceof Error ? error : undefined),
      );
    };
    this.#server = options.tls
      ? https.createServer({ ...options.tls, requestCert: true, rejectUnauthorized: false }, handle)
      : http.createServer(handle);
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => this.#sockets.delete(socket));
    });
  }

  async start(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", reject);
    this.#server.listen(this.#options.port ?? 0, this.#address, resolve);
    await promise;
    this.#port = (this.#server.address() as AddressInfo).port; // it listens on TCP now
  }

  get #address(): string {
    return this.#options.address ?? "127.0.0.1";
  }

  /** Also known after `stop`. */
  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `${this.#options.tls ? "https" : "http"}://${this.#address}:${this.port}`;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Ends everything at once, as a killed process does. */
  async stop(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    for (const watcher of this.#watchers) watcher.stop();
    this.#server.close(() => resolve());
    for (const socket of this.#sockets) socket.destroy();
    await promise;
  }

  /** The kubeconfig text for this server. */
  kubeconfig(user: Readonly<Record<string, unknown>> = {}): string {
    const cert = this.#options.tls?.cert;
    const ca = cert === undefined ? {} : { "certificate-authority-data": Buffer.from(cert).toString("base64") };
    return JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      clusters: [{ name: "fake", cluster: { server: this.url, ...ca } }],
      users: [{ name: "edge", user }],
      contexts: [{ name: "fake", context: { cluster: "fake", user: "edge" } }],
      "current-context": "fake",
    });
  }

  put(object: FakeObject): FakeObject {
    const resource = FAKE_RESOURCES.find(
      ({ kind, apiVersion }) => kind === object.kind && apiVersion === object.apiVersion,
    );
    if (resource === undefined) throw new Error(`the fake API server knows no ${object.apiVersion} ${object.kind}`);
    return this.objects.put(resource, object);
  }

  delete(plural: string, namespace: string, name: string): void {
    this.objects.delete(plural, namespace, name);
  }

  /** Forgets history and continue tokens. */
  compact(): void {
    this.objects.compact();
    this.#snapshots.clear();
  }

  /** How many watches of `plural` are open. */
  watching(plural: string): number {
    return [...this.#watchers].filter(({ request }) => request.plural === plural).length;
  }

  /** Does something to the open watches of `plural`: ends, resets or mutes them, or sends them bytes. */
  disturb(
    plural: string,
    how: "end" | "reset" | "mute" | { readonly bytes: string; readonly after?: "end" | "reset" },
  ): void {
    for (const watcher of [...this.#watchers].filter(({ request }) => request.plural === plural)) {
      if (typeof how === "object") watcher.response.write(how.bytes);
      const end = typeof how === "object" ? how.after : how;
      if (end === "mute") watcher.muted = true;
      if (end === "end") watcher.response.end();
      if (end === "reset") setImmediate(() => reset(watcher.response));
    }
  }

  async #handle(message: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on("error", () => {});
    const url = new URL(message.url ?? "/", "http://fake");
    if (["/livez", "/readyz", "/healthz"].includes(url.pathname)) return void response.end("ok");
    const target = route(url.pathname);
    const request = requestOf(message, url, target);
    this.requests.push(request);
    const action = this.faults.take(request);
    if (action !== null && (await applyFault(action, response))) return;
    if (this.tokens?.has(bearerOf(request)) === false)
      return sendStatus(response, { code: 401, reason: "Unauthorized", message: "Unauthorized" });
    const discovered = /^\/apis\/([^/]+\/[^/]+)$/.exec(url.pathname)?.[1];
    if (discovered !== undefined) return sendResources(response, url.pathname, discovered, this.absent);
    if (target === null || this.absent.has(target.resource.plural)) return sendAbsent(response, url.pathname);
    if (this.forbidden.has(target.resource.plural) || this.strangers.has(bearerOf(request)))
      return sendForbidden(response, request);
    if (action?.kind === "empty")
      return this.#sendList(response, target, { items: [], next: "", version: this.objects.version });
    if (request.verb === "list") return this.#list(request, target, response);
    if (request.verb === "watch") return this.#watch(request, target, response);
    return this.#single(request, target, response, await readJson(message));
  }

  #list(request: FakeRequest, target: Target, response: ServerResponse): void {
    const token = request.query.get("continue");
    let snapshot: Snapshot | undefined;
    if (token === null)
      snapshot = {
        version: this.objects.version,
        rest: this.objects.list(target.resource.plural, selectionOf(request)),
      };
    else snapshot = this.#snapshots.get(token);
    if (snapshot === undefined) {
      const message = "The provided continue parameter is too old to display a consistent list result.";
      return sendStatus(response, { code: 410, reason: "Expired", message });
    }
    const limit = Number(request.query.get("limit") ?? 0) || snapshot.rest.length;
    const rest = snapshot.rest.slice(limit);
    let next = "";
    if (rest.length > 0) {
      next = `page-${++this.#snapshotIds}`;
      this.#snapshots.set(next, { version: snapshot.version, rest });
    }
    this.#sendList(response, target, { items: snapshot.rest.slice(0, limit), next, version: snapshot.version });
  }

  #sendList(response: ServerResponse, target: Target, { items, next, version }: ListPage): void {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(
      JSON.stringify({
        kind: `${target.resource.kind}List`,
        apiVersion: target.resource.apiVersion,
        metadata: { resourceVersion: String(version), ...(next === "" ? {} : { continue: next }) },
        // As the real one: items do not say what they are.
        items: items.map(({ kind: _kind, apiVersion: _apiVersion, ...item }) => item),
      }),
    );
  }

  #watch(request: FakeRequest, target: Target, response: ServerResponse): void {
    const initial = request.query.get("sendInitialEvents") === "true";
    if (initial && this.watchList === "forbidden") {
      const message =
        'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled';
      return sendStatus(response, { code: 422, reason: "Invalid", message });
    }
    const given = request.query.get("resourceVersion");
    if (given !== null && !/^\d+$/.test(given)) {
      return sendStatus(response, {
        code: 500,
        reason: "",
        message: `resourceVersion: Invalid value: "${given}": strconv.ParseUint: parsing "${given}": invalid syntax`,
      });
    }
    response.writeHead(200, { "content-type": "application/json" });
    response.flushHeaders();
    if (initial && this.watchList === "error-event") {
      const message =
        "a watch stream was requested by the client but the required storage feature RequestWatchProgress is disabled";
      return void response.end(eventLine("ERROR", statusBody({ code: 500, reason: "InternalError", message })));
    }
    const from = Number(given ?? 0);
    if (from > 0 && from < this.objects.compacted) {
      const message = `too old resource version: ${from} (${this.objects.compacted})`;
      return void response.end(eventLine("ERROR", statusBody({ code: 410, reason: "Expired", message })));
    }
    const watcher = this.#addWatcher(request, target.resource, response);
    if (from > 0) for (const event of this.objects.since(from)) sendEvent(watcher, target.resource.plural, event);
    else
      for (const object of this.objects.list(target.resource.plural, watcher.selection))
        response.write(eventLine("ADDED", object));
    if (initial && this.watchList === "on") response.write(bookmarkLine(target.resource, this.objects.version, true));
  }

  #addWatcher(request: FakeRequest, resource: FakeResource, response: ServerResponse): Watcher {
    const from = Number(request.query.get("resourceVersion") ?? 0);
    const unlisten = this.objects.listen((event) => {
      // A watch from a version of the future waits for it in silence.
      if (event.version > from) sendEvent(watcher, resource.plural, event);
    });
    const seconds = Number(request.query.get("timeoutSeconds") ?? 1800);
    const end = setTimeout(() => response.end(), seconds * 1000);
    const bookmarks = setInterval(() => {
      if (!watcher.muted) response.write(bookmarkLine(resource, this.objects.version, false));
    }, this.#options.bookmarkMs ?? 60_000);
    if (request.query.get("allowWatchBookmarks") !== "true") clearInterval(bookmarks);
    const watcher: Watcher = {
      request,
      response,
      muted: false,
      selection: selectionOf(request),
      stop: () => {
        unlisten();
        clearTimeout(end);
        clearInterval(bookmarks);
        this.#watchers.delete(watcher);
      },
    };
    this.#watchers.add(watcher);
    response.on("close", watcher.stop);
    response.on("finish", watcher.stop);
    return watcher;
  }

  #single(request: FakeRequest, target: Target, response: ServerResponse, body: unknown): void {
    const { resource } = target;
    const given = body as FakeObject; // tests send whole objects; a patch is merged into one below
    const name = request.name ?? given?.metadata?.name ?? "";
    const namespace = request.namespace ?? "";
    const before = this.objects.get(resource.plural, namespace, name);
    if (request.verb === "create") {
      if (before !== undefined)
        return sendStatus(response, {
          code: 409,
          reason: "AlreadyExists",
          message: `${resource.plural} "${name}" already exists`,
        });
      return sendJson(
        response,
        201,
        this.objects.put(resource, { ...given, metadata: { ...given.metadata, namespace } }),
      );
    }
    if (before === undefined)
      return sendStatus(response, { code: 404, reason: "NotFound", message: `${resource.plural} "${name}" not found` });
    if (request.verb === "get") return sendJson(response, 200, before);
    if (request.verb === "delete") {
      this.objects.delete(resource.plural, namespace, name);
      return sendJson(response, 200, { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success" });
    }
    if (request.verb === "patch")
      return sendJson(response, 200, this.objects.put(resource, mergePatch(before, body) as FakeObject)); // a merge keeps what the patch leaves out
    const wanted = given.metadata.resourceVersion;
    if (wanted !== undefined && wanted !== before.metadata.resourceVersion) {
      return sendStatus(response, {
        code: 409,
        reason: "Conflict",
        message: `Operation cannot be fulfilled on ${resource.plural} "${name}": the object has been modified`,
      });
    }
    return sendJson(response, 200, this.objects.put(resource, given));
  }
}

/** Discovery of one group and version (metav1.APIResourceList). */
function sendResources(response: ServerResponse, path: string, apiVersion: string, absent: ReadonlySet<string>): void {
  const resources = FAKE_RESOURCES.filter((one) => one.apiVersion === apiVersion && !absent.has(one.plural));
  if (resources.length === 0) return sendAbsent(response, path);
  const names = resources.map(({ plural, kind, namespaced }) => ({ name: plural, kind, namespaced }));
  const list = { kind: "APIResourceList", apiVersion: "v1", groupVersion: apiVersion, resources: names };
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(list));
}

function sendEvent(watcher: Watcher, plural: string, event: FakeEvent): void {
  const type = seenAs(event, plural, watcher.selection);
  if (type !== null && !watcher.muted) watcher.response.write(eventLine(type, event.object));
}

function eventLine(type: string, object: unknown): string {
  return `${JSON.stringify({ type, object })}\n`;
}

function bookmarkLine(resource: FakeResource, version: number, initialEnd: boolean): string {
  const annotations = initialEnd ? { annotations: { "k8s.io/initial-events-end": "true" } } : {};
  const metadata = { resourceVersion: String(version), creationTimestamp: null, ...annotations };
  return eventLine("BOOKMARK", { kind: resource.kind, apiVersion: resource.apiVersion, metadata });
}

function sendJson(response: ServerResponse, code: number, body: unknown): void {
  response.writeHead(code, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

/** As the real one: Status where the group is known, text where it is not. */
function sendAbsent(response: ServerResponse, pathname: string): void {
  const groups = FAKE_RESOURCES.map(({ apiVersion }) => (apiVersion === "v1" ? "/api/v1/" : `/apis/${apiVersion}/`));
  if (groups.some((group) => pathname.startsWith(group))) {
    return sendStatus(response, {
      code: 404,
      reason: "NotFound",
      message: "the server could not find the requested resource",
    });
  }
  response.writeHead(404, { "content-type": "text/plain; charset=utf-8" });
  response.end("404 page not found\n");
}

function sendForbidden(response: ServerResponse, request: FakeRequest): void {
  const message = `${request.plural} is forbidden: User "edge" cannot ${request.verb} resource "${request.plural}" at the cluster scope`;
  sendStatus(response, { code: 403, reason: "Forbidden", message });
}

async function readJson(message: IncomingMessage): Promise<unknown> {
  let text = "";
  for await (const chunk of message) text += String(chunk);
  return text === "" ? null : JSON.parse(text);
}

/** RFC 7386. */
function mergePatch(target: unknown, patch: unknown): unknown {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) return patch;
  const result: Record<string, unknown> = typeof target === "object" && target !== null ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else result[name] = mergePatch(result[name], value);
  }
  return result;
}
