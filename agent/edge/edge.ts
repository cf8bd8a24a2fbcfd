// One edge, put together: which room gets what from which. It decides nothing by itself.
// In: a configuration. Out: a running edge, or an AgentError that says what it cannot do.

import { join } from "node:path";
import { type ApiServer, startApiServer } from "../api/server.ts";
import { ConfigurationLane } from "../apply/configuration-lane.ts";
import { DocumentsLane } from "../apply/documents-lane.ts";
import type { Config } from "../config/config.ts";
import { modelSettings } from "../config/model-settings.ts";
import { HealthRegistry } from "../health/registry.ts";
import { errorText } from "../lib/errors.ts";
import { readFileIfThere } from "../lib/files.ts";
import { buildersOf } from "../loop/builders.ts";
import { type ClusterSize, Configurator } from "../loop/configurator.ts";
import type { NameWatch } from "../dns/name-watch.ts";
import type { EventWriter } from "../kubernetes/event-writer.ts";
import { EdgeBuilder } from "../loop/edge-builder.ts";
import { Reconciler } from "../loop/reconciler.ts";
import type { DirtyKey } from "../model/edge-model.ts";
import type { ModelSettings } from "../model/input.ts";
import { allKeys } from "../model/keys.ts";
import { checkLimits } from "../nginx/machine-limits.ts";
import type { ObjectKind } from "../objects/objects.ts";
import { NginxControl } from "../nginx/nginx-control.ts";
import { buildNginxView, snapshotDir } from "../nginx/nginx-view.ts";
import { openTemplates } from "../nginx/templates.ts";
import { VARIANTS_MAX } from "../plan/admit-variants.ts";
import { CLIENT_POLICIES_MAX } from "../plan/choose-policies.ts";
import { countPeers, documentsDictMb, type NginxWish, upstreamBlocks } from "../plan/plan-configuration.ts";
import { routeDefaults } from "../render/documents.ts";
import { LISTEN_BACKLOG, renderNginxFiles } from "../render/files.ts";
import { type LoadedSnapshot, saveSnapshot, type Snapshot } from "../snapshot/snapshot-files.ts";
import { SnapshotWriter } from "../snapshot/snapshot-writer.ts";
import type { ShrinkGuard, ShrinkHold } from "../store/shrink-guard.ts";
import type { Source, SourceState } from "../store/source.ts";
import { Store } from "../store/store.ts";
import { apiInputs } from "./api-inputs.ts";
import {
  logCondition,
  tellBeginning,
  tellConfiguration,
  tellEvents,
  tellKnowledge,
  tellNginxDown,
  tellPolicies,
  tellProfilesFull,
  tellVariantsFull,
  tellShrunk,
  tellSnapshotWritten,
  tellSource,
  tellTraffic,
} from "./conditions.ts";
import { HostAddresses } from "./host-addresses.ts";
import { createNames } from "./names.ts";
import { Rounds } from "./rounds.ts";
import type { Prepared } from "./prepare.ts";
import { createGuard, createSource, type MadeSource, requiredKinds, uidIn } from "./source.ts";

/** How long connections may finish when the agent ends together with an nginx of its own. */
const STOP_MS_MAX = 10_000;
/** Each is a reload when it comes, and a location and an upstream block for ever: a tenant cannot buy more. */
const VERIFIED_PROFILES_MAX = 64;

const now = (): number => Date.now();
const isHost = (key: DirtyKey): boolean => key.startsWith("host:");

export class Edge {
  readonly prepared: Omit<Prepared, "loaded">;
  /** Objects were loaded from the snapshot on disk. */
  readonly restored: boolean;
  readonly settings: ModelSettings;
  readonly hostAddresses = new HostAddresses();
  readonly health: HealthRegistry;
  readonly names: NameWatch;
  readonly store: Store;
  readonly builder: EdgeBuilder;
  readonly nginx: NginxControl;
  readonly documents: DocumentsLane;
  readonly configurations: ConfigurationLane;
  readonly configurator: Configurator;
  readonly reconciler: Reconciler;
  readonly source: Source;
  readonly #events: EventWriter | null;
  readonly #guard: ShrinkGuard | undefined;
  readonly #writer: SnapshotWriter;
  readonly #rounds: Rounds;
  #api: ApiServer | null = null;
  #nginxSince: number | null = null;
  #snapshotFrom: number | null;
  /** Null once it was taken over: whatever replaces its objects and documents would not free them. */
  #loaded: LoadedSnapshot | null;

  /** Puts the parts together; nothing runs yet. Throws AgentError kubeconfig-invalid. */
  constructor({ loaded, ...prepared }: Prepared) {
    const { config, log } = prepared;
    this.prepared = prepared;
    this.restored = loaded.snapshot !== null;
    this.#loaded = loaded;
    this.#snapshotFrom = loaded.snapshot?.savedAt ?? null;
    this.health = new HealthRegistry(now, (condition, began) => logCondition(log, condition, began));
    const settings = modelSettings(config, () => this.hostAddresses.all);
    this.settings = settings;
    this.#guard = this.#createGuard();
    this.names = createNames(prepared, (services) =>
      this.reconciler.rebuild(services.map((service) => `backend:${service}` as const)),
    );
    const store = new Store({
      guard: this.#guard,
      names: this.names.views,
      settings,
      requiredKinds: requiredKinds(config),
      onDirty: () => this.reconciler.wake(),
      onWantedSecrets: (keys) => this.source.wantSecrets(keys),
      onWantedConfigMaps: (keys) => this.source.wantConfigMaps(keys),
      onWantedNodes: () => this.source.wantNodes("required"),
    });
    this.store = store;
    this.builder = new EdgeBuilder(
      buildersOf(store, settings, now),
      (before, after) => this.#events?.note(before, after),
      (service, before, after) => this.names.follow(service, before, after),
    );
    this.builder.setRouteDefaults(routeDefaults(config.traffic));
    this.nginx = this.#createNginx();
    this.documents = new DocumentsLane(this.nginx);
    this.documents.assume(loaded.snapshot?.documents ?? []);
    this.#writer = this.#createWriter(loaded.policyFloor);
    this.configurations = new ConfigurationLane({
      dataPlane: this.nginx,
      holdoffMs: config.nginx.reloadHoldoffMs,
      holdoffMsMax: config.nginx.reloadHoldoffMsMax,
      now,
      log: log.child("configuration"),
      onResult: (step, error) => {
        tellConfiguration(this.health, error);
        if (error === null) this.configurator.applied(step.generation);
        this.reconciler.audit();
      },
    });
    this.configurator = this.#createConfigurator();
    const made = this.#createSource();
    this.source = made.source;
    this.#events = made.events;
    this.reconciler = this.#createReconciler(loaded.snapshot?.generation ?? 0);
    this.#rounds = new Rounds(this, { probe: config.endpoints.probe, log });
  }

  /** When nginx came up or went down last. */
  get nginxSince(): number | null {
    return this.#nginxSince;
  }

  /** When what is served was written to the snapshot it comes from; null once the source has spoken. */
  get snapshotFrom(): number | null {
    return this.#snapshotFrom;
  }

  /** What the source's lists lack and is kept for now. */
  holds(): readonly ShrinkHold[] {
    return this.#guard?.holds() ?? [];
  }

  /** Believes the lists of one kind, or (null) all, that are held back. Gives how many objects went, by kind. */
  accept(kind: ObjectKind | null): ReadonlyMap<ObjectKind, number> {
    return this.#guard?.accept(kind) ?? new Map();
  }

  /** Since when what is known may be old; null while the source answers. */
  get staleSince(): number | null {
    return this.#snapshotFrom ?? this.source.state().troubles[0]?.since ?? null;
  }

  /** Throws AgentError: nginx-start, nginx-candidate, state-unwritable. */
  async start(signal: AbortSignal): Promise<void> {
    const { config, counter, log } = this.prepared;
    await this.#tellTraffic(config);
    this.source.wantSecrets(this.store.wantedSecrets());
    this.source.wantConfigMaps(this.store.wantedConfigMaps());
    if (config.endpoints.mode === "nodePort") this.source.wantNodes("required");
    this.#restore();
    // First of all: a second agent on the same folders finds the socket taken, and touches nothing.
    this.#api = await startApiServer({
      socket: config.api.socket,
      address: config.api.address,
      port: config.api.port,
      inputs: apiInputs(this),
      log: log.child("api"),
    });
    // Documents of the snapshot may name profiles: an nginx without them would answer 503.
    if (this.restored) this.reconciler.build(this.store.takeDirty());
    this.configurator.expect(this.#size());
    // Before nginx: it is read while nginx comes up, and all there is goes out with the first push.
    this.source.start();
    const reason = await this.nginx.start(counter.next(), (generation) => this.configurator.files(generation), signal);
    await this.configurator.running(reason);
    this.reconciler.start();
    this.names.start();
    this.#rounds.start();
  }

  #restore(): void {
    const loaded = this.#loaded;
    this.#loaded = null;
    if (loaded === null) return;
    tellBeginning(this.health, this.prepared.facts, loaded);
    if (loaded.snapshot === null) return;
    tellKnowledge(this.health, this.#snapshotFrom);
    this.store.restore(loaded.snapshot.objects);
  }

  /** Takes what a changed configuration says about nginx and listeners; names what needs a restart of the agent. */
  async reconfigure(config: Config): Promise<void> {
    const before = this.prepared.config;
    const keys = (["stateDir", "runDir", "source", "ingress", "endpoints", "api", "log"] as const).filter(
      (key) => JSON.stringify(before[key]) !== JSON.stringify(config[key]),
    );
    if (keys.length > 0) this.prepared.log.warn("Restart the agent to apply all of the configuration", { keys });
    const { nginx, listeners, traffic } = config;
    this.builder.setRouteDefaults(routeDefaults(traffic));
    this.reconciler.rebuild(allKeys(this.store).filter(isHost));
    await this.#tellTraffic(config);
    await this.configurator.want(this.#wish({ ...before, nginx, listeners, traffic }));
  }

  async #tellTraffic({ nginx, traffic }: Config): Promise<void> {
    const { facts } = this.prepared;
    const { workerConnections, openFiles } = nginx;
    const root = process.getuid?.() === 0;
    // What cannot be read says nothing.
    const read = (path: string): Promise<string | null> => readFileIfThere(path).catch(() => null);
    const limits = await checkLimits(read, { workerConnections, openFiles, backlog: LISTEN_BACKLOG, root });
    tellTraffic(this.health, traffic, { facts, limits });
  }

  /** Ends in the reverse order. An nginx of our own finishes its requests and ends too. */
  async stop(): Promise<void> {
    this.#rounds.stop();
    await Promise.all([this.source.stop(), this.#events?.stop(), this.names.stop()]);
    this.#guard?.stop();
    await this.configurations.stop();
    await this.reconciler.stop();
    await this.#writer.flush();
    await this.nginx.stop();
    await this.#api?.stop();
  }

  #isFresh(): boolean {
    return this.store.synced() && this.source.state().synced;
  }

  #createReconciler(snapshotGeneration: number): Reconciler {
    const { counter, log } = this.prepared;
    const { store } = this;
    return new Reconciler({
      builder: this.builder,
      takeDirty: () => store.takeDirty(),
      mayBuild: () => this.restored || this.#isFresh(),
      isFresh: () => this.#isFresh(),
      snapshotGeneration,
      lane: this.documents,
      dataPlane: this.nginx,
      counter,
      health: this.health,
      log: log.child("loop"),
      now,
      onApplied: (stricterAt) => this.#onApplied(stricterAt),
    });
  }

  #createSource(): MadeSource {
    const { config, log } = this.prepared;
    return createSource(
      config,
      {
        sink: (changes) => this.store.apply(changes),
        onState: (state) => this.#onSource(state),
        log: log.child("source"),
      },
      {
        uidOf: (ref) => uidIn(this.store, ref),
        onRefused: (refused) => tellEvents(this.health, refused),
      },
    );
  }

  #createGuard(): ShrinkGuard | undefined {
    const { config, log } = this.prepared;
    return createGuard(config, {
      onChange: (holds) => tellShrunk(this.health, holds),
      onDue: (kind) => log.child("source").warn("The time to hold a list back is over", { kind }),
      secrets: () => this.store.wantedSecrets().size,
      sink: (changes) => this.store.apply(changes),
    });
  }

  #createNginx(): NginxControl {
    const { config, log, paths } = this.prepared;
    return new NginxControl({
      binary: config.nginx.binary,
      paths,
      owns: config.nginx.service === null,
      stopMsMax: STOP_MS_MAX,
      log: log.child("nginx"),
      beforeStart: () => this.#writer.flush(),
      onDown: (reason) => {
        this.#nginxSince = now();
        tellNginxDown(this.health, reason, paths.errorLog);
      },
      onUpgrade: () => this.reconciler.audit(),
      onUp: () => {
        this.#nginxSince = now();
        this.health.clear("nginx-down");
        this.reconciler.audit();
      },
    });
  }

  #createWriter(policyFloor: number): SnapshotWriter {
    const { config, counter } = this.prepared;
    const folder = snapshotDir(config.stateDir);
    return new SnapshotWriter(
      {
        take: () => this.#takeSnapshot(counter.current),
        save: (snapshot, policyFloor) => saveSnapshot(folder, snapshot, policyFloor),
        onResult: (error) => tellSnapshotWritten(this.health, error),
        now,
      },
      policyFloor,
    );
  }

  #createConfigurator(): Configurator {
    const { config, counter, root } = this.prepared;
    const templates = openTemplates(join(root, "nginx", "templates"));
    return new Configurator(
      {
        lane: this.configurations,
        nextGeneration: () => counter.next(),
        render: (wish, generation) => renderNginxFiles({ ...wish, generation }, templates),
        flushSnapshot: () => this.#writer.flush(),
      },
      this.#wish(config),
    );
  }

  #wish(config: Config): NginxWish {
    const { defaultCertificate, facts, luaDigest, paths, root, workerUser } = this.prepared;
    return buildNginxView({
      config,
      facts,
      paths,
      luaDir: join(root, "lua"),
      luaDigest,
      snapshotDir: snapshotDir(config.stateDir),
      defaultCertificate,
      documentsDictMb: documentsDictMb(this.documents.bytes, 0),
      upstreamBlocks: upstreamBlocks(countPeers(this.documents.applied.values()), 0),
      workerUser,
    });
  }

  #takeSnapshot(generation: number): Snapshot {
    const documents = [...this.documents.applied.values()].filter(
      (document): document is typeof document & { readonly text: string } => document.text !== null,
    );
    return { generation, savedAt: now(), documents, objects: this.store.objects() };
  }

  #onSource(state: SourceState): void {
    tellSource(this.health, state);
    if (state.synced) this.#events?.start();
    if (state.synced && this.#snapshotFrom !== null) {
      this.#snapshotFrom = null;
      tellKnowledge(this.health, null);
    }
    this.reconciler.wake();
  }

  /** How much there is for nginx, by what a builder holds. */
  sizeOf({ peers, verified, variants, mutualTls }: EdgeBuilder, documentBytes: number): ClusterSize {
    return { documentBytes, peers, verified: verified.slice(0, VERIFIED_PROFILES_MAX), variants, mutualTls };
  }

  #size(): ClusterSize {
    const { verified, variants, mutualTls } = this.builder;
    tellProfilesFull(this.health, { wanted: verified.length, most: VERIFIED_PROFILES_MAX });
    tellVariantsFull(this.health, { wanted: variants.length, most: VARIANTS_MAX });
    tellPolicies(this.health, { wanted: mutualTls.policies.length, most: CLIENT_POLICIES_MAX });
    return this.sizeOf(this.builder, this.documents.bytes);
  }

  #onApplied(stricterAt: number | null): void {
    this.#writer.changed(stricterAt);
    this.configurator.grow(this.#size()).catch((error: unknown) => {
      this.prepared.log.error("Cannot plan a configuration", { error: errorText(error) });
    });
  }
}
