// The real Kubernetes parts for tests: kube-apiserver and kube-controller-manager, built from the pinned module in
// test/kube/tools into the cache, and etcd from Debian.
// Taken instead when set (the conventions of envtest): TEST_ASSET_KUBE_APISERVER, TEST_ASSET_KUBE_CONTROLLER_MANAGER,
// TEST_ASSET_ETCD, else the directory KUBEBUILDER_ASSETS.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { cacheDirectory, recipeKey } from "../edges/cache.ts";
import { startMachine } from "../edges/machine.ts";
import { ensureRoot, ensureRootOf } from "../edges/roots.ts";

const run = promisify(execFile);

export interface KubeBinaries {
  readonly apiserver: string;
  readonly controllerManager: string;
}

/** How etcd is started: Debian's binary runs on its own root file system, whatever the host is. */
export interface Etcd {
  /** Program and flags that keep the data in this directory. */
  argv(directory: string): readonly string[];
  /** etcd 3.5 can be told not to sync to disk. */
  readonly canSkipFsync: boolean;
}

export type EtcdVersion = "3.5" | "3.4";

const TOOLS = join(import.meta.dirname, "tools");
const ETCD_IN_ROOT = join(import.meta.dirname, "etcd-in-root.sh");
const APISERVER = "kube-apiserver";
const CONTROLLER_MANAGER = "kube-controller-manager";
const GO_MINOR_MIN = 26;
const STAMP = "k8s.io/component-base/version";
const BUILD_TIMEOUT_MS = 60 * 60_000;

/** Both binaries, built when the cache lacks them (7 to 12 minutes once on two cores, needs the Go module proxy). */
export async function ensureKubeBinaries(): Promise<KubeBinaries> {
  const given = givenBinaries();
  if (given) return given;
  const directory = binariesDirectory();
  const binaries = { apiserver: join(directory, APISERVER), controllerManager: join(directory, CONTROLLER_MANAGER) };
  if (existsSync(binaries.apiserver) && existsSync(binaries.controllerManager)) return binaries;
  const building = `${directory}.tmp-${process.pid}`;
  mkdirSync(building, { recursive: true });
  try {
    process.stderr.write("Building kube-apiserver and kube-controller-manager, 7 to 12 minutes, once\n");
    const go = await findGo();
    if (go) await buildOnHost(go, building);
    else await buildInRoot(building);
    rmSync(directory, { recursive: true, force: true });
    renameSync(building, directory);
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
  return binaries;
}

/** Whether `ensureKubeBinaries` has nothing to build. */
export function haveKubeBinaries(): boolean {
  return givenBinaries() !== null || existsSync(join(binariesDirectory(), CONTROLLER_MANAGER));
}

/** etcd 3.5 is Debian 13's, 3.4 Debian 12's; without a version, TEST_ASSET_ETCD or KUBEBUILDER_ASSETS come first. */
export async function ensureEtcd(version?: EtcdVersion): Promise<Etcd> {
  const given = version ? null : givenFile("TEST_ASSET_ETCD", "etcd");
  if (given) return { argv: (directory) => [given, "--data-dir", directory], canSkipFsync: true };
  const root = await ensureRoot(version === "3.4" ? "bookworm" : "trixie");
  return { argv: (directory) => ["sh", ETCD_IN_ROOT, root, directory], canSkipFsync: version !== "3.4" };
}

/** Where the binaries of the pinned module are kept. */
export function binariesDirectory(): string {
  const key = recipeKey([readFileSync(join(TOOLS, "go.mod")), readFileSync(join(TOOLS, "go.sum"))]);
  return join(cacheDirectory(), `kube-${key}`);
}

function givenBinaries(): KubeBinaries | null {
  const apiserver = givenFile("TEST_ASSET_KUBE_APISERVER", APISERVER);
  const controllerManager = givenFile("TEST_ASSET_KUBE_CONTROLLER_MANAGER", CONTROLLER_MANAGER);
  return apiserver && controllerManager ? { apiserver, controllerManager } : null;
}

function givenFile(variable: string, name: string): string | null {
  const named = process.env[variable];
  if (named) return named;
  const directory = process.env["KUBEBUILDER_ASSETS"];
  const file = directory ? join(directory, name) : null;
  return file && existsSync(file) ? file : null;
}

/** A Go new enough for the module: GO, else `go` in PATH, else the usual place. */
export async function findGo(): Promise<string | null> {
  for (const go of [process.env["GO"], "go", "/usr/local/go/bin/go", "/usr/lib/go-1.26/bin/go"]) {
    if (!go) continue;
    try {
      const { stdout } = await run(go, ["env", "GOVERSION"], {
        env: { ...process.env, GOTOOLCHAIN: "local" },
        cwd: "/",
      });
      const minor = Number(/^go1\.(\d+)/.exec(stdout)?.[1] ?? 0);
      if (minor >= GO_MINOR_MIN) return go;
    } catch {
      // Not installed there: the next one, at last the root with Debian's.
    }
  }
  return null;
}

function buildArguments(output: string): readonly string[] {
  const version = /k8s\.io\/kubernetes v1\.(\d+)\.(\d+)/.exec(readFileSync(join(TOOLS, "go.mod"), "utf8"));
  if (!version) throw new Error("test/kube/tools/go.mod does not require k8s.io/kubernetes");
  const [, minor, patch] = version;
  const stamps = [`gitVersion=v1.${minor}.${patch}`, "gitMajor=1", `gitMinor=${minor}`];
  const flags = ["-s", "-w", ...stamps.map((stamp) => `-X ${STAMP}.${stamp}`)].join(" ");
  const packages = [APISERVER, CONTROLLER_MANAGER].map((name) => `k8s.io/kubernetes/cmd/${name}`);
  return ["build", "-trimpath", "-mod=readonly", "-ldflags", flags, "-o", `${output}/`, ...packages];
}

async function buildOnHost(go: string, output: string): Promise<void> {
  const child = spawn(go, buildArguments(output), {
    cwd: TOOLS,
    env: { ...process.env, CGO_ENABLED: "0", GOTOOLCHAIN: "local", GOFLAGS: "" },
    stdio: ["ignore", "inherit", "inherit"],
    timeout: BUILD_TIMEOUT_MS,
  });
  const [code] = await once(child, "close");
  if (code !== 0)
    throw new Error(`cannot build the Kubernetes binaries: go build ended with ${code}. Its lines are above`);
}

/** On a host without such a Go: Debian 13 with the Go of its backports builds, with its caches kept beside ours. */
async function buildInRoot(output: string): Promise<void> {
  const machine = await startGoMachine();
  try {
    const built = join(machine.scratch, "bin");
    const goCache = join(cacheDirectory(), "go");
    await machine.exec(["/usr/lib/go-1.26/bin/go", ...buildArguments(built)], {
      cwd: TOOLS,
      timeoutMs: BUILD_TIMEOUT_MS,
      env: {
        CGO_ENABLED: "0",
        GOTOOLCHAIN: "local",
        GOCACHE: join(goCache, "build"),
        GOMODCACHE: join(goCache, "mod"),
      },
    });
    cpSync(built, output, { recursive: true });
  } finally {
    await machine.stop();
  }
}

/** A Debian 13 machine with golang-1.26 of trixie-backports and the host's network. */
export async function startGoMachine(): ReturnType<typeof startMachine> {
  const root = await ensureRootOf({
    suite: "trixie",
    packages: ["ca-certificates", "golang-1.26-go", "iproute2", "mount"],
    alsoFrom: ["trixie-backports"],
    purpose: "go",
  });
  const goCache = join(cacheDirectory(), "go");
  mkdirSync(goCache, { recursive: true });
  // The host's authorities, because a host behind a proxy may have one of its own.
  const binds = [`rw:${goCache}`, "ro:/etc/resolv.conf", "ro:/etc/ssl/certs"];
  return startMachine({ name: "go", suite: "trixie", root, binds, ownNetwork: false });
}
