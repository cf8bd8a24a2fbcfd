// kube-apiserver 1.21, the last one that serves Ingress in extensions/v1beta1, networking.k8s.io/v1beta1 and v1 at
// once. Built from the pinned module in test/kube/old-tools (about five minutes, once), for `npm run test:all` alone.
// The published module lacks a generated file; a small one that stands for it is put among its vendored sources.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { cacheDirectory, recipeKey } from "../edges/cache.ts";
import { findGo } from "./build.ts";

const TOOLS = join(import.meta.dirname, "old-tools");
const OPENAPI = "vendor/k8s.io/kubernetes/pkg/generated/openapi";
const BUILD_TIMEOUT_MS = 60 * 60_000;

/** Path of the binary, built when the cache lacks it. Throws where there is no Go that can. */
export async function ensureOldApiserver(): Promise<string> {
  const directory = join(
    cacheDirectory(),
    `kube-old-${recipeKey(
      readdirSync(TOOLS)
        .sort()
        .map((name) => readFileSync(join(TOOLS, name))),
    )}`,
  );
  const binary = join(directory, "kube-apiserver");
  if (existsSync(binary)) return binary;
  const go = await findGo();
  if (go === null) throw new Error("building kube-apiserver 1.21 needs Go 1.26. Install it, or set GO");
  process.stderr.write("Building kube-apiserver 1.21, about 5 minutes, once\n");
  const building = `${directory}.tmp-${process.pid}`;
  try {
    cpSync(TOOLS, building, { recursive: true });
    await run(go, ["mod", "vendor"], building);
    mkdirSync(join(building, OPENAPI), { recursive: true });
    cpSync(join(building, "openapi.go.txt"), join(building, OPENAPI, "zz_generated.openapi.go"));
    const flags = ["-mod=vendor", "-trimpath", "-ldflags", "-s -w"];
    await run(go, ["build", ...flags, "-o", `${building}/bin/`, "k8s.io/kubernetes/cmd/kube-apiserver"], building);
    rmSync(directory, { recursive: true, force: true });
    renameSync(join(building, "bin"), directory);
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
  return binary;
}

async function run(go: string, argv: readonly string[], cwd: string): Promise<void> {
  const child = spawn(go, argv, {
    cwd,
    env: { ...process.env, CGO_ENABLED: "0", GOTOOLCHAIN: "local", GOFLAGS: "" },
    stdio: ["ignore", "inherit", "inherit"],
    timeout: BUILD_TIMEOUT_MS,
  });
  const [code] = await once(child, "close");
  if (code !== 0) throw new Error(`cannot build kube-apiserver 1.21: go ${argv[0]} ended with ${code}`);
}
