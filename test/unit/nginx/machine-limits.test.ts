import assert from "node:assert/strict";
import { test } from "node:test";
import { checkLimits, type LimitWish } from "../../../agent/nginx/machine-limits.ts";

const WISH: LimitWish = { workerConnections: 16_384, openFiles: null, backlog: 4096, root: false };
const FINE = {
  "/proc/sys/fs/nr_open": "1048576\n",
  "/proc/self/limits":
    "Limit  Soft  Hard  Units\nMax open files            1024                 1048576              files     \n",
  "/proc/sys/net/core/somaxconn": "4096\n",
};

async function subjects(
  files: Readonly<Record<string, string>>,
  wish: Partial<LimitWish> = {},
): Promise<readonly string[]> {
  const faults = await checkLimits(async (path) => files[path] ?? null, { ...WISH, ...wish });
  for (const { message, hint } of faults) assert.ok(message !== "" && hint !== "");
  return faults.map(({ subject }) => subject);
}

test("nothing is said where all is enough, and where nothing can be read", async () => {
  assert.deepEqual(await subjects(FINE), []);
  assert.deepEqual(await subjects({}), []);
});

test("each limit that is too low is named", async () => {
  const low = {
    ...FINE,
    "/proc/self/limits": "Max open files            1024                 4096              files",
  };
  assert.deepEqual(await subjects(low), ["LimitNOFILE"]);
  assert.deepEqual(await subjects(low, { root: true }), [], "root raises it for its workers");
  assert.deepEqual(await subjects({ ...FINE, "/proc/sys/fs/nr_open": "10000" }, { root: true }), ["fs.nr_open"]);
  assert.deepEqual(await subjects({ ...FINE, "/proc/sys/net/core/somaxconn": "128" }), ["net.core.somaxconn"]);
  assert.deepEqual(await subjects(FINE, { openFiles: 1024 }), ["nginx.openFiles"]);
  const unlimited = { ...FINE, "/proc/self/limits": "Max open files  1024  unlimited  files" };
  assert.deepEqual(await subjects(unlimited), []);
});
