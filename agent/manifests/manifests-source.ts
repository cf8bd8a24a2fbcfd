// A directory of manifests as a source of objects: what is in its files now, at once when they change.
// In: the directory, watched. Out: changes for the store, in the same form as from a cluster. It writes nothing.

import { existsSync, watch } from "node:fs";
import type { FSWatcher } from "node:fs";
import { join } from "node:path";
import type { SecretReaders } from "../objects/trim.ts";
import type { ChangeSink, Source, SourceState, SourceTrouble } from "../store/source.ts";
import { loadManifest } from "./load-manifest.ts";
import type { LoadedFile, ManifestCache } from "./load-manifest.ts";
import { ManifestSet } from "./manifest-set.ts";
import { errorCode, listManifests, manifestFormat, readManifest, reasonText } from "./read-manifests.ts";
import type { FileStamp } from "./read-manifests.ts";

export interface ManifestsOptions extends SecretReaders {
  /** Absolute. */
  readonly directory: string;
  readonly sink: ChangeSink;
  /** Told whenever the state is another one. */
  readonly onState: (state: SourceState) => void;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** The watch tells of changes at once; this finds what no watch tells of (targets of links, lost events, network disks). */
const RESCAN_MS = 2000;
/** A directory that takes long to list is listed less often: no more than one part in this many of the time. */
const RESCAN_SHARE = 20;

/**
 * A file that vanished, or lost documents, is believed when it is still so after this long. Editors and `cp` replace
 * a file in two steps, and between them it is missing or empty; nobody meant that as a deletion.
 */
const SETTLE_MS = 150;

type Work = { readonly kind: "all" } | { readonly kind: "file"; readonly path: string };

export class ManifestsSource implements Source {
  readonly #options: ManifestsOptions;
  readonly #set = new ManifestSet();
  readonly #caches = new Map<string, ManifestCache>();
  readonly #stamps = new Map<string, FileStamp>();
  /** Files that would lose objects, and the timer that looks again. */
  readonly #settling = new Map<string, { readonly text: string | null; readonly timer: NodeJS.Timeout | null }>();
  readonly #watchers = new Map<string, { readonly identity: string; readonly watcher: FSWatcher }>();
  readonly #troubles = new Map<string, SourceTrouble>();
  readonly #queue = new Map<string, Work>();
  #rescan: NodeJS.Timeout | null = null;
  #running: Promise<void> | null = null;
  #stopped = false;
  #synced = false;
  #lastEventAt: number | null = null;

  constructor(options: ManifestsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#enqueue({ kind: "all" });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#rescan !== null) clearTimeout(this.#rescan);
    for (const { timer } of this.#settling.values()) if (timer !== null) clearTimeout(timer);
    for (const { watcher } of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
    await this.#running;
  }

  state(): SourceState {
    return {
      kind: "manifests",
      location: this.#options.directory,
      synced: this.#synced,
      lastEventAt: this.#lastEventAt,
      troubles: [...this.#troubles.values()],
    };
  }

  /** Nothing to do: what lies in the directory was put there to be used, and is all read. */
  wantSecrets(_keys: ReadonlySet<string>): void {}
  /** Nor ConfigMaps. */
  wantConfigMaps(_keys: ReadonlySet<string>): void {}
  /** Nor Nodes. */
  wantNodes(): void {}

  #enqueue(work: Work): void {
    if (this.#stopped) return;
    this.#queue.set(work.kind === "all" ? "" : work.path, work);
    this.#running ??= this.#drain().finally(() => {
      this.#running = null;
      if (this.#queue.size > 0 && !this.#stopped) this.#enqueue({ kind: "all" });
    });
  }

  /** One at a time, so that the store sees the states of a file in their order. */
  async #drain(): Promise<void> {
    while (this.#queue.size > 0 && !this.#stopped) {
      const works = [...this.#queue.values()];
      this.#queue.clear();
      if (works.some((work) => work.kind === "all")) {
        const began = performance.now();
        await this.#scan();
        this.#scanAgainIn(Math.max(RESCAN_MS, RESCAN_SHARE * (performance.now() - began)));
      }
      for (const work of works) if (work.kind === "file") await this.#takeFile(work.path);
      this.#tell();
    }
  }

  #scanAgainIn(delayMs: number): void {
    if (this.#rescan !== null) clearTimeout(this.#rescan);
    if (!this.#stopped) this.#rescan = setTimeout(() => this.#enqueue({ kind: "all" }), delayMs);
  }

  async #scan(): Promise<void> {
    let listing: Awaited<ReturnType<typeof listManifests>>;
    try {
      listing = await listManifests(this.#options.directory);
    } catch (thrown) {
      // A directory that is away was not emptied: what it held stays.
      this.#trouble("", `cannot read ${this.#options.directory}: ${reasonText(thrown)}`, this.#directoryHint(thrown));
      this.#watchOnly(new Map());
      return;
    }
    this.#trouble("", null);
    const fault = [...listing.faults][0];
    const more = listing.faults.size > 1 ? `, and ${listing.faults.size - 1} more` : "";
    if (fault === undefined) this.#trouble("listing", null);
    else
      this.#trouble(
        "listing",
        `${fault[0]} ${fault[1]}${more}`,
        `Check it with \`ls -lR ${this.#options.directory}\`.`,
      );
    this.#watchOnly(listing.directories);
    for (const [path, stamp] of listing.files) {
      if (this.#stamps.get(path) === stamp && !this.#settling.has(path)) continue;
      await this.#takeFile(path);
      // A write within the clock tick of the last one leaves the stamp as it was; a fresh file is read once more.
      if (isSettled(stamp, this.#options.now())) this.#stamps.set(path, stamp);
      else this.#stamps.delete(path);
    }
    for (const path of this.#set.paths()) {
      if (!listing.files.has(path)) await this.#takeFile(path);
    }
    if (!this.#synced) {
      this.#synced = true;
      this.#lastEventAt = this.#options.now();
      this.#options.sink(this.#set.takeChanges(true));
      this.#options.onState(this.state());
    }
  }

  async #takeFile(path: string): Promise<void> {
    const { directory } = this.#options;
    const content = await readManifest(join(directory, path));
    // With the directory itself gone nothing was deleted: `rm -r` and a new copy, a mount that went away.
    if (content.kind === "gone" && !existsSync(directory)) return;
    const text = content.kind === "text" ? content.text : null;
    const cache = this.#caches.get(path);
    const loaded = content.kind === "gone" ? null : await loadManifest(path, content, { ...this.#options, cache });
    if (loaded !== null) this.#caches.set(path, loaded.cache);
    if (this.#stopped || this.#mustSettle(path, text, loaded)) return;
    if (loaded === null) {
      this.#set.removeFile(path);
      this.#stamps.delete(path);
      this.#caches.delete(path);
    } else this.#set.setFile(path, loaded);
  }

  /** True while a loss is not believed yet; it is when the file says the same after SETTLE_MS. */
  #mustSettle(path: string, text: string | null, loaded: LoadedFile | null): boolean {
    const pending = this.#settling.get(path);
    if (!this.#synced || !this.#set.wouldLose(path, loaded)) {
      if (pending?.timer) clearTimeout(pending.timer);
      this.#settling.delete(path);
      return false;
    }
    if (pending !== undefined && pending.text === text) {
      if (pending.timer !== null) return true;
      this.#settling.delete(path);
      return false;
    }
    if (pending?.timer) clearTimeout(pending.timer);
    const timer = setTimeout(() => {
      this.#settling.set(path, { text, timer: null });
      this.#enqueue({ kind: "file", path });
    }, SETTLE_MS);
    this.#settling.set(path, { text, timer });
    return true;
  }

  #tell(): void {
    if (!this.#synced || this.#stopped) return;
    const changes = this.#set.takeChanges(false);
    if (changes.length === 0) return;
    this.#lastEventAt = this.#options.now();
    this.#options.sink(changes);
    this.#options.onState(this.state());
  }

  #watchOnly(directories: ReadonlyMap<string, string>): void {
    for (const [path, { identity, watcher }] of this.#watchers) {
      if (directories.get(path) === identity) continue;
      watcher.close();
      this.#watchers.delete(path);
    }
    let failure: string | null = null;
    for (const [path, identity] of directories) {
      if (this.#watchers.has(path) || this.#stopped) continue;
      try {
        this.#watchers.set(path, { identity, watcher: this.#watch(path) });
        // What changed between the listing and the watch has no event.
        this.#enqueue({ kind: "all" });
      } catch (thrown) {
        failure = `cannot watch ${path}: ${reasonText(thrown)}; changes are seen within ${RESCAN_MS / 1000} s`;
      }
    }
    this.#trouble("watch", failure, "Raise fs.inotify.max_user_watches and max_user_instances with sysctl.");
  }

  #watch(directory: string): FSWatcher {
    const relative = directory.slice(this.#options.directory.length + 1);
    const watcher = watch(directory, { persistent: true }, (_event, name) => {
      const path = name === null ? "" : relative === "" ? name : `${relative}/${name}`;
      // Other names are folders, links of a ConfigMap mount ("..data"), or an editor's: the listing tells.
      if (manifestFormat(path) === null) this.#enqueue({ kind: "all" });
      else this.#enqueue({ kind: "file", path });
    });
    watcher.on("error", () => {
      watcher.close();
      this.#watchers.delete(directory);
      this.#enqueue({ kind: "all" });
    });
    return watcher;
  }

  /** Begins, refreshes or (message null) ends what is wrong with `subject`. */
  #trouble(subject: string, message: string | null, hint = ""): void {
    const before = this.#troubles.get(subject);
    if (before?.message === message || (before === undefined && message === null)) return;
    if (message === null) this.#troubles.delete(subject);
    else this.#troubles.set(subject, { resource: subject, message, since: before?.since ?? this.#options.now(), hint });
    this.#options.onState(this.state());
  }

  #directoryHint(thrown: unknown): string {
    const { directory } = this.#options;
    if (errorCode(thrown) === "ENOENT") return `Make it with \`mkdir ${directory}\`; what was known stays until then.`;
    return `Check it with \`ls -ld ${directory}\`; what was known stays until then.`;
  }
}

/** Whether the last change of a file is so old that a later write must change its stamp. */
function isSettled(stamp: FileStamp, now: number): boolean {
  const changedNs = stamp.split(":")[4];
  return changedNs === undefined || now - Number(BigInt(changedNs) / 1_000_000n) > RESCAN_MS;
}
