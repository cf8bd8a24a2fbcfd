// A cluster's API server as a source of objects. In: a connection and which Secrets are wanted. Out: Changes, in the
// same tick as the bytes that say them, and a state for `status`. It keeps no objects (the store does), reads no
// Secret that nobody names, writes nothing (event-writer.ts does), and never ends by itself: whatever the server
// does, it tries again, and what the store knows stays.

import type { ObjectKind } from "../objects/objects.ts";
import type { ChangeSink, NodesNeed, Source, SourceState } from "../store/source.ts";
import { ApiClient } from "./client.ts";
import type { Connection } from "./connection.ts";
import type { Trim } from "./intake.ts";
import { LIMITS } from "./limits.ts";
import type { Limits } from "./limits.ts";
import { Reflector } from "./reflector.ts";
import type { ServerTraits, SourceLog } from "./reflector.ts";
import { allNodes, oneObject, resourceText, wholeKinds } from "./resources.ts";
import type { Resource, SingleKind } from "./resources.ts";
import { StartGate } from "./start-gate.ts";
import { describeTroubles } from "./troubles.ts";
import { VersionChoice } from "./version-choice.ts";
import { withTwin } from "./twin-kinds.ts";
import { VersionAudit } from "./version-audit.ts";
import type { WentBack } from "./version-audit.ts";

export interface KubernetesSourceOptions {
  readonly connection: Connection;
  /** null: all namespaces. IngressClasses have none and are always read. */
  readonly namespace: string | null;
  /** `trimObject` with `strict: false`, `position: null` and the agent's `inspectKeyPair`. */
  readonly trim: Trim;
  /** Called in the tick in which the bytes of a change arrive. */
  readonly sink: ChangeSink;
  /** `synced` or `troubles` changed. Not told of each event. */
  readonly onState: (state: SourceState) => void;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** As Math.random. */
  readonly random: () => number;
  readonly log: SourceLog;
  /** Headgate's, for the User-Agent. */
  readonly version: string;
  readonly limits?: Limits;
}

export class KubernetesSource implements Source {
  readonly #options: KubernetesSourceOptions;
  readonly #limits: Limits;
  readonly #client: ApiClient;
  readonly #traits: ServerTraits = { withoutWatchList: new Set() };
  readonly #gate: StartGate;
  readonly #kinds: Reflector[];
  readonly #audit: VersionAudit;
  readonly #choice: VersionChoice;
  /** Kind → "namespace/name" → who reads it. */
  readonly #singles: Readonly<Record<SingleKind, Map<string, Reflector>>> = { Secret: new Map(), ConfigMap: new Map() };
  readonly #leaving = new Set<Promise<void>>();
  #phase: "new" | "running" | "stopped" = "new";
  #synced = false;
  /** The server has no such kind: that they cannot be read is no trouble. */
  #classesAbsent = false;
  #absentClassesTold = false;
  #nodesRequired = false;
  #lastEventAt: number | null = null;
  #told = "";

  constructor(options: KubernetesSourceOptions) {
    this.#options = options;
    this.#limits = options.limits ?? LIMITS;
    this.#client = new ApiClient(options.connection, options.version);
    this.#gate = new StartGate(this.#limits.secretStartsMax);
    this.#kinds = wholeKinds(options.namespace).map((resource) => this.#reflector(resource, null));
    this.#choice = new VersionChoice({
      client: this.#client,
      limits: this.#limits,
      namespace: options.namespace,
      log: options.log,
      kinds: () => this.#kinds,
      read: (resource, old) => this.#readInstead(resource, old),
      onClasses: (absent) => {
        this.#classesAbsent = absent;
        this.#onState();
      },
    });
    this.#audit = new VersionAudit({
      client: this.#client,
      limits: this.#limits,
      random: options.random,
      held: () => this.#all(),
      onBack: (back) => this.#goBack(back),
    });
  }

  start(): void {
    if (this.#phase !== "new") return;
    this.#phase = "running";
    for (const reflector of this.#all()) reflector.start();
    this.#audit.start();
  }

  /** Ends all requests. After it resolved, neither `sink` nor `onState` is called any more. */
  async stop(): Promise<void> {
    this.#phase = "stopped";
    await Promise.all([this.#audit.stop(), this.#choice.stop()]);
    await Promise.all(this.#all().map((reflector) => reflector.stop()));
    await Promise.all(this.#leaving);
    this.#client.close();
  }

  state(): SourceState {
    const troubles = this.#all().flatMap((reflector) => {
      const { resource, trouble } = reflector;
      return trouble === null || this.#isAbsent(reflector) || this.#isNoLoss(reflector) ? [] : [{ resource, trouble }];
    });
    return {
      kind: "kubernetes",
      location: this.#options.connection.server,
      synced: this.#synced,
      lastEventAt: this.#lastEventAt,
      troubles: describeTroubles(troubles, this.#options.connection, this.#limits.secretTroublesMax),
    };
  }

  /** Keys that are no longer there are told to the sink as deleted: their private keys need not stay in memory. */
  wantSecrets(keys: ReadonlySet<string>): void {
    this.#want("Secret", keys);
  }

  wantConfigMaps(keys: ReadonlySet<string>): void {
    this.#want("ConfigMap", keys);
  }

  wantNodes(need: NodesNeed): void {
    const outweighs = need === "required" && !this.#nodesRequired;
    this.#nodesRequired ||= outweighs;
    if (this.#reads("Node")) {
      if (outweighs && this.#phase === "running") this.#onState();
      return;
    }
    const reflector = this.#reflector(allNodes(), null);
    this.#kinds.push(reflector);
    if (this.#phase === "running") reflector.start();
  }

  /** What the old one told stays until the new one has been read. */
  #readInstead(resource: Resource, old: Reflector | null): void {
    const reflector = this.#reflector(resource, null, old);
    if (old === null) this.#kinds.push(reflector);
    else {
      this.#kinds.splice(this.#kinds.indexOf(old), 1, reflector);
      this.#end(old, () => {});
    }
    if (this.#phase === "running") reflector.start();
  }

  #want(kind: SingleKind, keys: ReadonlySet<string>): void {
    const singles = this.#singles[kind];
    for (const [key, reflector] of singles) {
      if (!keys.has(key)) this.#leave(singles, key, reflector);
    }
    for (const key of keys) {
      const [namespace, name] = key.split("/");
      if (singles.has(key) || !namespace || !name) continue;
      const reflector = this.#reflector(oneObject(kind, namespace, name), this.#gate);
      singles.set(key, reflector);
      if (this.#phase === "running") reflector.start();
    }
  }

  /** Everything, not only the kind that told: the others may have gone back and come past our version since. */
  #goBack({ resource, ours, server }: WentBack): void {
    const fields = { resource: resourceText(resource), ours, server };
    this.#options.log.warn("API server went back to an older state, reading everything anew", fields);
    for (const reflector of this.#all()) reflector.readAnew();
  }

  #leave(singles: Map<string, Reflector>, key: string, reflector: Reflector): void {
    singles.delete(key);
    this.#end(reflector, () => {
      // Wanted again meanwhile: then a new reflector speaks for it.
      if (this.#phase !== "stopped" && !singles.has(key)) reflector.forget();
      this.#onState();
    });
  }

  #end(reflector: Reflector, after: () => void): void {
    const left = reflector.stop().then(() => {
      this.#leaving.delete(left);
      after();
    });
    this.#leaving.add(left);
  }

  #reads(kind: ObjectKind): boolean {
    return this.#kinds.some(({ resource }) => resource.kind === kind);
  }

  #single(): readonly Reflector[] {
    return [...this.#singles.Secret.values(), ...this.#singles.ConfigMap.values()];
  }

  #all(): readonly Reflector[] {
    return [...this.#kinds, ...this.#single()];
  }

  #reflector(resource: Resource, gate: StartGate | null, successorOf: Reflector | null = null): Reflector {
    const { trim, sink, now, random, log } = this.#options;
    return new Reflector({
      resource,
      client: this.#client,
      trim,
      sink: (changes) => sink(withTwin(changes, (kind) => this.#reads(kind))),
      traits: this.#traits,
      limits: this.#limits,
      now,
      random,
      log,
      gate,
      onLife: () => {
        this.#lastEventAt = now();
      },
      onDoubt: () => this.#audit.doubt(),
      onState: () => this.#onState(),
      successorOf,
    });
  }

  #onState(): void {
    if (this.#phase === "stopped") return;
    this.#tellAbsentClasses();
    this.#choice.look();
    this.#synced ||= this.#isSynced();
    const state = this.state();
    const told = JSON.stringify([state.synced, state.troubles, state.location]);
    if (told === this.#told) return;
    this.#told = told;
    this.#options.onState(state);
  }

  /** Once true it stays: a Secret that is wanted later does not take it back. */
  #isSynced(): boolean {
    const singlesAnswered = this.#single().every(({ synced, trouble }) => synced || trouble !== null);
    return singlesAnswered && this.#kinds.every((reflector) => reflector.synced || this.#isDispensable(reflector));
  }

  /**
   * Routes can be built without IngressClasses, and a Role that is bound to one namespace cannot allow them: after a
   * while a refusal counts as an answer. Nor does one of Nodes hold up what is asked elsewhere, and where they are only
   * useful they hold up nothing. Not so for the other kinds: without them every route would be closed.
   */
  #isDispensable(reflector: Reflector): boolean {
    if (this.#isAbsent(reflector)) return true;
    const { resource, trouble } = reflector;
    if (resource.kind === "Node" && !this.#nodesRequired) return true;
    if ((resource.kind !== "IngressClass" && resource.kind !== "Node") || trouble === null) return false;
    const { status } = trouble.failure;
    return (status === 403 || status === 404) && this.#options.now() - trouble.since >= this.#limits.refusedMs;
  }

  /** Nodes that are only useful may be forbidden. */
  #isNoLoss({ resource, trouble }: Reflector): boolean {
    const status = trouble?.failure.status ?? null;
    return resource.kind === "Node" && !this.#nodesRequired && (status === 403 || status === 404);
  }

  #isAbsent({ resource, trouble }: Reflector): boolean {
    return this.#classesAbsent && resource.kind === "IngressClass" && trouble?.failure.status === 404;
  }

  /** A server without the IngressClass API has no IngressClasses. Of one that forbids them nothing is known. */
  #tellAbsentClasses(): void {
    if (this.#absentClassesTold) return;
    const classes = this.#kinds.find(({ resource }) => resource.kind === "IngressClass");
    if (classes === undefined || classes.synced || classes.trouble?.failure.status !== 404) return;
    if (!this.#isDispensable(classes)) return;
    this.#absentClassesTold = true;
    this.#options.sink([{ kind: "replace", objectKind: "IngressClass", objects: [] }]);
  }
}
