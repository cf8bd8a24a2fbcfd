// The wire between the test process and its machines: one bridge per test process, in the network namespace the
// process runs in. The process itself has the bridge's first address, so it reaches every machine directly and a
// server of its own is reached at `gateway`.

import { execFileSync } from "node:child_process";
import { readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onProcessEnd } from "./cleanup.ts";

export interface Lan {
  readonly bridge: string;
  /** Address of the test process on the bridge, and the machines' default route. */
  readonly gateway: string;
  /** The address in this network with these last two numbers: `lan.address("1.5")` is 10.77.1.5 on the first bridge. */
  address(host: string): string;
  /** The IPv6 twin of an address of this network. */
  address6(address: string): string;
  /** The next address nobody has: machines in x.x.0.10 and up, namespaces in x.x.1.1 and up. */
  next(kind: "machine" | "namespace"): string;
}

const PREFIX = "hgtest";
const NETWORKS_MAX = 16; // 10.77.0.0/16 to 10.92.0.0/16: as many test processes can run at once in one namespace
const FIRST_NETWORK = 77;

const opened = new Map<"lan", Lan>(); // one bridge per process

/** The bridge of this process, made on first use and deleted when the process ends. Needs root. */
export function openLan(): Lan {
  const known = opened.get("lan");
  if (known) return known;
  sweepLeftovers();
  for (let index = 0; index < NETWORKS_MAX; index++) {
    const lan = tryOpen(index);
    if (!lan) continue;
    opened.set("lan", lan);
    onProcessEnd(() => ip(["link", "delete", lan.bridge]));
    return lan;
  }
  throw new Error(
    `no free test network: ${NETWORKS_MAX} bridges ${PREFIX}* exist. Delete stale ones: ip link delete ${PREFIX}0`,
  );
}

/** Deletes the bridge of this process, when a test wants to see that nothing is left. */
export function closeLan(): void {
  const lan = opened.get("lan");
  if (!lan) return;
  opened.delete("lan");
  ip(["link", "delete", lan.bridge]);
}

/** A directory of this process under /tmp, found and removed by a later run if this one is killed. */
export function scratchName(name: string): string {
  return `${PREFIX}-${owner()}-${name}`;
}

/** This process, and the PID namespace in which its number means something. */
function owner(): string {
  return `${process.pid}.${pidNamespace()}`;
}

function pidNamespace(): string {
  return readlinkSync("/proc/self/ns/pid").replace(/\D/g, "");
}

/** Runs ip(8); throws with its message. */
export function ip(argv: readonly string[]): string {
  return execFileSync("ip", argv, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

function tryOpen(index: number): Lan | null {
  const bridge = `${PREFIX}${index}`;
  try {
    ip(["link", "add", bridge, "type", "bridge"]);
  } catch (error) {
    if (String(error).includes("File exists")) return null;
    throw new Error("cannot make a test network: `ip link add` failed. Run as root", { cause: error });
  }
  const network = `10.${FIRST_NETWORK + index}`;
  const gateway = `${network}.0.1`;
  const address6 = (address: string): string => {
    const [, , high, low] = address.split(".").map(Number);
    return `fd77:${index}::${((high ?? 0) * 256 + (low ?? 0)).toString(16)}`;
  };
  ip(["link", "set", bridge, "alias", `${PREFIX} ${owner()}`]);
  ip(["address", "add", `${gateway}/16`, "dev", bridge]);
  ip(["-6", "address", "add", `${address6(gateway)}/64`, "dev", bridge, "nodad"]);
  ip(["link", "set", bridge, "up"]);
  const counters = { machine: 9, namespace: 256 };
  return {
    bridge,
    gateway,
    address: (host) => `${network}.${host}`,
    address6,
    next: (kind) => {
      counters[kind] += 1;
      return `${network}.${Math.floor(counters[kind] / 256)}.${counters[kind] % 256}`;
    },
  };
}

interface Link {
  readonly ifname: string;
  readonly ifalias?: string;
}

/** Takes away what a test process left that was killed with SIGKILL: bridges and directories that carry its pid. */
export function sweepLeftovers(): void {
  // `ip -j` prints nothing at all when there is no bridge.
  const links = JSON.parse(ip(["-j", "link", "show", "type", "bridge"]) || "[]") as readonly Link[]; // ip(8)'s own JSON
  for (const link of links) {
    const owned = /^hgtest (\d+\.\d+)$/.exec(link.ifalias ?? "")?.[1];
    if (owned && abandoned(owned)) ip(["link", "delete", link.ifname]);
  }
  for (const parent of [tmpdir(), "/dev/shm"]) {
    for (const entry of readdirSync(parent)) {
      const owned = /^hgtest-(\d+\.\d+)-/.exec(entry)?.[1];
      if (owned && abandoned(owned)) rmSync(join(parent, entry), { recursive: true, force: true });
    }
  }
}

/** Processes of other PID namespaces cannot be judged: what is theirs stays. */
function abandoned(owned: string): boolean {
  const [pid, namespace] = owned.split(".");
  if (namespace !== pidNamespace()) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch {
    return true;
  }
}
