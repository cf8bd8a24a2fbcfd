// Test hosts. A machine has a Debian root file system of its own, its own processes, network and mounts; a namespace
// has only its own network and processes, and is the cheap home of a backend with a routable address.
//
//   const machine = await startMachine({ name: "edge", suite: "trixie" });
//   await machine.exec(["nginx", "-V"]);
//   const response = await fetch(`http://${machine.address}/`);   // the test process is on the same network
//   await machine.stop();

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onProcessEnd } from "./cleanup.ts";
import { ip, openLan, scratchName, type Lan } from "./lan.ts";
import { ensureRoot, type Suite } from "./roots.ts";
import { startSandbox, type Sandbox } from "./sandbox.ts";

/** The repository, at the same path inside and outside. */
export const REPOSITORY = join(import.meta.dirname, "../..");

/** Node 24 of the project; runs in both suites. */
export const NODE = join(REPOSITORY, "node_modules/node/bin/node");

export interface Namespace extends Sandbox {
  readonly name: string;
  readonly address: string;
  readonly address6: string;
}

export interface Machine extends Namespace {
  readonly suite: Suite;
  /** A writable directory with the same path inside and outside, on disk; removed at `stop()`. */
  readonly scratch: string;
}

export interface NamespaceOptions {
  /** For messages and the scratch directory: letters, digits, dashes. */
  readonly name: string;
  /** One of `openLan().address(...)`; the next free one unless told. */
  readonly address?: string;
}

export interface MachineOptions extends NamespaceOptions {
  readonly suite: Suite;
  /** Further paths to see inside at their own path: `ro:/path` or `rw:/path`. */
  readonly binds?: readonly string[];
  /** False: the machine has no bridge and shares the test process's network (downloads in it work). */
  readonly ownNetwork?: boolean;
  /** The root file system; that of `ensureRoot(suite)` unless told. */
  readonly root?: string;
}

/** A network namespace with an address on the bridge, on the file system of the test process. Needs root. */
export async function startNamespace(options: NamespaceOptions): Promise<Namespace> {
  const lan = openLan();
  const sandbox = await startSandbox({ network: "own", init: ["namespace"] });
  return connect(sandbox, lan, options, "namespace");
}

/** A test host. The repository and `scratch` are visible inside, the repository read-only. Needs root. */
export async function startMachine(options: MachineOptions): Promise<Machine> {
  const root = options.root ?? (await ensureRoot(options.suite));
  const lan = openLan();
  const scratch = mkdtempSync(join(tmpdir(), scratchName(options.name)) + "-");
  const work = join(scratch, ".root");
  mkdirSync(work);
  const forget = onProcessEnd(() => rmSync(scratch, { recursive: true, force: true }));
  const remove = (): void => {
    rmSync(scratch, { recursive: true, force: true });
    forget();
  };
  const binds = [`ro:${REPOSITORY}`, `rw:${scratch}`, ...(options.binds ?? [])];
  const network = options.ownNetwork === false ? "shared" : "own";
  try {
    const sandbox = await startSandbox({ network, init: ["machine", root, work, ...binds] });
    const connected =
      network === "own"
        ? connect(sandbox, lan, options, "machine")
        : { ...sandbox, name: options.name, address: lan.gateway, address6: lan.address6(lan.gateway) };
    const stop = async (): Promise<void> => {
      await connected.stop();
      remove();
    };
    return { ...connected, suite: options.suite, scratch, stop };
  } catch (error) {
    remove();
    throw error;
  }
}

const links = { made: 0 }; // link names must differ within one process

function connect(sandbox: Sandbox, lan: Lan, options: NamespaceOptions, kind: "machine" | "namespace"): Namespace {
  const address = options.address ?? lan.next(kind);
  const address6 = lan.address6(address);
  links.made += 1;
  const link = `hgt${process.pid.toString(36)}.${links.made.toString(36)}`;
  const inside = (argv: readonly string[]): void => {
    ipInside(sandbox.pid, argv);
  };
  ip(["link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", String(sandbox.pid)]);
  ip(["link", "set", link, "master", lan.bridge, "up"]);
  inside(["address", "add", `${address}/16`, "dev", "eth0"]);
  inside(["-6", "address", "add", `${address6}/64`, "dev", "eth0", "nodad"]);
  inside(["link", "set", "eth0", "up"]);
  inside(["route", "add", "default", "via", lan.gateway]);
  const stop = async (): Promise<void> => {
    await sandbox.stop();
    removeLink(link);
  };
  return { ...sandbox, name: options.name, address, address6, stop };
}

function ipInside(pid: number, argv: readonly string[]): void {
  // The host's ip(8) in the machine's network: `ip -n` would want a named namespace.
  execFileSync("nsenter", ["--target", String(pid), "--net", "ip", ...argv], { stdio: ["ignore", "ignore", "pipe"] });
}

/** The kernel takes the link away with its namespace, some milliseconds late: a test that counts links must not see it. */
function removeLink(link: string): void {
  try {
    ip(["link", "delete", link]);
  } catch {
    // Gone already.
  }
}
