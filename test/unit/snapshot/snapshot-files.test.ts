import assert from "node:assert/strict";
import { mkdtemp, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { Service } from "../../../agent/objects/objects.ts";
import { loadSnapshot, saveSnapshot, type Snapshot } from "../../../agent/snapshot/snapshot-files.ts";

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "headgate-snapshot-"));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

const service: Service = {
  kind: "Service",
  meta: {
    namespace: "shop",
    name: "web",
    uid: "u",
    resourceVersion: "1",
    createdAt: null,
    position: null,
    annotations: {},
  },
  type: "ClusterIP",
  clusterIP: "",
  clusterIPs: [],
  externalTrafficPolicy: "Cluster",
  externalName: null,
  ports: [],
};

function snapshot(generation: number): Snapshot {
  return {
    generation,
    savedAt: 1000 + generation,
    documents: [
      { kind: "backend", key: "shop/web/80", generation, text: '{"addresses":["10.0.0.1"],"ports":[80]}' },
      { kind: "host", key: "ingress/a.example.org", generation, text: '{"exact":{"/ü":"r"}}' },
    ],
    objects: [service],
  };
}

test("gives back what was written", async (t) => {
  const path = await folder(t);
  await saveSnapshot(path, snapshot(7), 3);
  assert.deepEqual(await loadSnapshot(path), { snapshot: snapshot(7), policyFloor: 3, damaged: [] });
});

test("gives back one that is written in several pieces", async (t) => {
  const path = await folder(t);
  const { documents } = snapshot(7);
  const key = (index: number): string => `ingress/ü${index}.example.org`;
  const many = Array.from({ length: 1001 }, (_, index) => documents.map((one) => ({ ...one, key: key(index) }))).flat();
  const large = { ...snapshot(7), documents: many, objects: [] };
  await saveSnapshot(path, large, 3);
  assert.deepEqual((await loadSnapshot(path)).snapshot, large);
  const [head = "", ...lines] = (await readFile(join(path, "documents-7.ndjson"), "utf8")).split("\n");
  assert.deepEqual([JSON.parse(head).lines, lines.length, lines.at(-1)], [2002, 2003, ""]);
});

test("nothing there is no damage", async (t) => {
  assert.deepEqual(await loadSnapshot(await folder(t)), { snapshot: null, policyFloor: 0, damaged: [] });
});

test("a damaged one is named, and the one before it is used", async (t) => {
  const path = await folder(t);
  await saveSnapshot(path, snapshot(7), 3);
  await saveSnapshot(path, snapshot(9), 3);
  const file = join(path, "documents-9.ndjson");
  const bytes = await readFile(file);
  bytes[bytes.length - 5] = 0x58;
  await writeFile(file, bytes);
  const loaded = await loadSnapshot(path);
  assert.equal(loaded.snapshot?.generation, 7);
  assert.match(loaded.damaged.join(), /documents-9\.ndjson: its checksum does not match/);
});

test("the one before is not used where a policy got stricter after it", async (t) => {
  const path = await folder(t);
  await saveSnapshot(path, snapshot(7), 3);
  await saveSnapshot(path, snapshot(9), 8);
  await writeFile(join(path, "objects-9.ndjson"), "half a line");
  const loaded = await loadSnapshot(path);
  assert.equal(loaded.snapshot, null);
  assert.equal(loaded.policyFloor, 8);
});

test("a truncated file is found out, whatever its length", async (t) => {
  const path = await folder(t);
  await saveSnapshot(path, snapshot(9), 0);
  const file = join(path, "documents-9.ndjson");
  const bytes = await readFile(file);
  for (const length of [0, 1, 40, bytes.length - 1]) {
    await writeFile(file, bytes.subarray(0, length));
    assert.equal((await loadSnapshot(path)).snapshot, null, `${length} bytes`);
  }
});

test("keeps two generations and drops the rest", async (t) => {
  const path = await folder(t);
  for (const generation of [1, 2, 3]) await saveSnapshot(path, snapshot(generation), 0);
  assert.deepEqual((await readdir(path)).toSorted(), [
    "documents-2.ndjson",
    "documents-3.ndjson",
    "manifest.json",
    "objects-2.ndjson",
    "objects-3.ndjson",
  ]);
});
