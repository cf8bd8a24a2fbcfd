import assert from "node:assert/strict";
import { appendFile, mkdir, rename, rm, symlink, unlink, writeFile } from "node:fs/promises";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { eventually, ingress, makeDirectory, service, watchDirectory } from "./support.ts";

test("the first scan replaces every kind at once, and then the source is synced", async (t) => {
  const directory = await makeDirectory(t);
  await writeFile(join(directory, "shop.yaml"), `${service("web")}---\n${ingress("web", "shop.example.test")}`);
  await writeFile(join(directory, "notes.txt"), "not a manifest");
  const watched = watchDirectory(t, directory);
  assert.equal(watched.source.state().synced, false);
  await eventually(() => assert.equal(watched.source.state().synced, true));
  assert.deepEqual(watched.names(), ["Ingress shop/web", "Service shop/web"]);
  const kinds = watched.batches[0]?.map((change) => (change.kind === "replace" ? change.objectKind : change.kind));
  const all = ["ConfigMap", "EndpointSlice", "Endpoints", "Ingress", "IngressClass", "Node", "Secret", "Service"];
  assert.deepEqual(kinds?.toSorted(), all);
  const held = watched.objects.get("Ingress/shop/web");
  assert.deepEqual(held?.meta.position, { file: "shop.yaml", index: 1, line: 8 });
});

test("the first scan leaves no kind out", async (t) => {
  const directory = await makeDirectory(t);
  const documents = [
    { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "settings", namespace: "shop" }, data: {} },
    { apiVersion: "v1", kind: "Endpoints", metadata: { name: "web", namespace: "shop" }, subsets: [] },
  ];
  await writeFile(join(directory, "shop.yaml"), documents.map((one) => JSON.stringify(one)).join("\n---\n"));
  const watched = watchDirectory(t, directory);
  await eventually(() => assert.equal(watched.source.state().synced, true));
  assert.deepEqual(watched.names(), ["ConfigMap shop/settings", "Endpoints shop/web"]);
});

test("an empty directory is synced with nothing in it", async (t) => {
  const watched = watchDirectory(t, await makeDirectory(t));
  await eventually(() => assert.equal(watched.source.state().synced, true));
  assert.deepEqual(watched.names(), []);
});

test("follows new, changed, replaced and deleted files", async (t) => {
  const directory = await makeDirectory(t);
  const watched = watchDirectory(t, directory);
  await eventually(() => assert.equal(watched.source.state().synced, true));
  const file = join(directory, "a.yaml");
  await writeFile(file, service("web"));
  await eventually(() => assert.deepEqual(watched.names(), ["Service shop/web"]));
  const version = watched.objects.get("Service/shop/web")?.meta.resourceVersion;
  await writeFile(`${file}.new`, service("web", 8080));
  await rename(`${file}.new`, file);
  await eventually(() => assert.notEqual(watched.objects.get("Service/shop/web")?.meta.resourceVersion, version));
  await mkdir(join(directory, "more"));
  await writeFile(join(directory, "more", "b.json"), JSON.stringify({ apiVersion: "v1", kind: "Service" }));
  await eventually(() => assert.equal(watched.refusals.size, 1));
  await rm(join(directory, "more"), { recursive: true });
  await unlink(file);
  await eventually(() => {
    assert.deepEqual(watched.names(), []);
    assert.equal(watched.refusals.size, 0);
  });
});

test("the same content written again is no change", async (t) => {
  const directory = await makeDirectory(t);
  await writeFile(join(directory, "a.yaml"), service("web"));
  const watched = watchDirectory(t, directory);
  await eventually(() => assert.equal(watched.source.state().synced, true));
  await writeFile(join(directory, "a.yaml"), service("web"));
  await writeFile(join(directory, "b.yaml"), service("other"));
  await eventually(() => assert.equal(watched.names().length, 2));
  assert.equal(watched.batches.length, 2);
});

test("a broken document costs only itself, and its last good object stays until it is mended", async (t) => {
  const directory = await makeDirectory(t);
  const file = join(directory, "a.yaml");
  await writeFile(file, `${service("one")}---\n${service("two")}`);
  const watched = watchDirectory(t, directory);
  await eventually(() => assert.equal(watched.names().length, 2));
  await writeFile(file, `${service("one", 81)}---\nkind: [Service\n  name: "two\n---\n${service("three")}`);
  await eventually(() =>
    assert.deepEqual(watched.names(), ["Service shop/one", "Service shop/three", "Service shop/two"]),
  );
  const [refusal] = watched.refusals.values();
  assert.equal(refusal?.where, "a.yaml:8 (document 2)");
  assert.equal(refusal?.ref, null);
  assert.match(refusal?.faults[0]?.message ?? "", /^is no YAML: .*\(line \d+\)$/);
  await writeFile(file, service("one", 81));
  await eventually(() => {
    assert.deepEqual(watched.names(), ["Service shop/one"]);
    assert.equal(watched.refusals.size, 0);
  });
});

test("a refused document keeps its own last object, and no other's", async (t) => {
  const directory = await makeDirectory(t);
  const file = join(directory, "a.yaml");
  await writeFile(file, `${service("one")}---\n${service("two")}`);
  const watched = watchDirectory(t, directory);
  await eventually(() => assert.equal(watched.names().length, 2));
  await writeFile(file, service("one").replace("ports:", "prots:"));
  await eventually(() => assert.deepEqual(watched.names(), ["Service shop/one"]));
  const [refusal] = watched.refusals.values();
  assert.deepEqual(refusal?.ref, { kind: "Service", namespace: "shop", name: "one" });
  assert.equal(refusal?.faults[0]?.field, "spec.prots");
  assert.match(JSON.stringify(refusal?.faults), /ports/);
});

test("an empty moment between two writes deletes nothing", async (t) => {
  const directory = await makeDirectory(t);
  const file = join(directory, "a.yaml");
  await writeFile(file, `${service("one")}---\n${service("two")}`);
  const watched = watchDirectory(t, directory);
  await eventually(() => assert.equal(watched.names().length, 2));
  for (let round = 0; round < 20; round++) {
    await writeFile(file, "");
    await appendFile(file, service("one", 1000 + round));
    await appendFile(file, `---\n${service("two", 2000 + round)}`);
    if (round % 5 === 0) {
      await unlink(file);
      await writeFile(file, `${service("one", 1000 + round)}---\n${service("two", 2000 + round)}`);
    }
  }
  await writeFile(join(directory, "end.yaml"), service("end"));
  await eventually(() => assert.ok(watched.names().includes("Service shop/end")));
  await eventually(() => {
    const two = watched.objects.get("Service/shop/two");
    assert.equal(two?.kind === "Service" ? two.ports[0]?.port : 0, 2019);
  });
  assert.deepEqual(
    watched.batches.flat().filter((change) => change.kind === "delete"),
    [],
  );
});

test("the same object in two files: the first by name has it, the other is refused and takes over", async (t) => {
  const directory = await makeDirectory(t);
  await writeFile(join(directory, "b.yaml"), service("web", 2));
  const watched = watchDirectory(t, directory);
  await eventually(() => assert.equal(watched.names().length, 1));
  await writeFile(join(directory, "a.yaml"), service("web", 1));
  await eventually(() => assert.equal(watched.refusals.size, 1));
  assert.equal(watched.objects.get("Service/shop/web")?.meta.position?.file, "a.yaml");
  const refusal = watched.refusals.get("b.yaml:1 (document 1)");
  assert.match(refusal?.faults[0]?.message ?? "", /Service shop\/web stands already at a\.yaml:1/);
  await unlink(join(directory, "a.yaml"));
  await eventually(() => {
    assert.equal(watched.objects.get("Service/shop/web")?.meta.position?.file, "b.yaml");
    assert.equal(watched.refusals.size, 0);
  });
});

test("the same object twice in one file: the first document has it", async (t) => {
  const directory = await makeDirectory(t);
  await writeFile(join(directory, "a.yaml"), `${service("web", 1)}---\n${service("web", 2)}`);
  const watched = watchDirectory(t, directory);
  await eventually(() => assert.equal(watched.names().length, 1));
  assert.equal(watched.objects.get("Service/shop/web")?.meta.position?.index, 0);
  assert.deepEqual([...watched.refusals.keys()], ["a.yaml:8 (document 2)"]);
});

test("follows the links of a ConfigMap mount when they are swapped", async (t) => {
  const directory = await makeDirectory(t);
  await mkdir(join(directory, "..1"));
  await mkdir(join(directory, "..2"));
  await writeFile(join(directory, "..1", "shop.yaml"), service("web", 1));
  await writeFile(join(directory, "..2", "shop.yaml"), service("web", 2));
  await symlink("..1", join(directory, "..data"));
  await symlink("..data/shop.yaml", join(directory, "shop.yaml"));
  const watched = watchDirectory(t, directory);
  await eventually(() => assert.deepEqual(watched.names(), ["Service shop/web"]));
  await symlink("..2", join(directory, "..tmp"));
  await rename(join(directory, "..tmp"), join(directory, "..data"));
  await eventually(() => {
    const held = watched.objects.get("Service/shop/web");
    assert.equal(held?.kind === "Service" ? held.ports[0]?.port : 0, 2);
  });
});

test("keeps what it knows while the directory is away, says so, and follows the one that comes", async (t) => {
  const parent = await makeDirectory(t);
  const directory = join(parent, "manifests");
  await mkdir(directory);
  await writeFile(join(directory, "a.yaml"), service("web"));
  const watched = watchDirectory(t, directory);
  await eventually(() => assert.equal(watched.names().length, 1));
  await rm(directory, { recursive: true });
  await eventually(() => assert.match(watched.source.state().troubles[0]?.message ?? "", /no such file or directory/));
  assert.equal(watched.names().length, 1);
  await mkdir(directory);
  await writeFile(join(directory, "b.yaml"), service("other"));
  await eventually(() => {
    assert.deepEqual(watched.names(), ["Service shop/other"]);
    assert.deepEqual(watched.source.state().troubles, []);
  });
  await writeFile(join(directory, "c.yaml"), service("third"));
  await eventually(() => assert.equal(watched.names().length, 2));
});

test("a directory that is not there yet is waited for", async (t) => {
  const directory = join(await makeDirectory(t), "later");
  const watched = watchDirectory(t, directory);
  await eventually(() => assert.match(watched.source.state().troubles[0]?.hint ?? "", /mkdir/));
  assert.equal(watched.source.state().synced, false);
  await mkdir(directory);
  await eventually(() => assert.equal(watched.source.state().synced, true));
});

test("hostile files are refused by name, and a bystander is served", async (t) => {
  const directory = await makeDirectory(t);
  await writeFile(join(directory, "binary.yaml"), Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 1, 2, 3]));
  await writeFile(join(directory, "latin1.yaml"), Buffer.from([0x61, 0x3a, 0x20, 0xe4, 0x0a]));
  await writeFile(join(directory, "huge.yaml"), Buffer.alloc(11 * 1024 * 1024, "#"));
  await writeFile(join(directory, "deep.yaml"), `a: ${"[".repeat(50_000)}`);
  await writeFile(join(directory, "word.yaml"), "hello\n");
  await writeFile(join(directory, "broken.json"), '{"apiVersion": "v1", "kind": ');
  await writeFile(
    join(directory, "self.yaml"),
    "apiVersion: v1\nkind: Service\nmetadata: &m {name: a, labels: {x: *m}}\n",
  );
  const laughs = ["a: &a [x, x, x, x, x, x, x, x, x]"];
  for (const [index, letter] of [..."bcdefgh"].entries()) {
    const before = "abcdefgh"[index] ?? "a";
    laughs.push(`${letter}: &${letter} [${Array.from({ length: 9 }, () => `*${before}`).join(", ")}]`);
  }
  await writeFile(join(directory, "laughs.yaml"), laughs.join("\n"));
  await symlink("loop.yaml", join(directory, "loop.yaml"));
  await symlink("nowhere", join(directory, "dangling.yaml"));
  await symlink(".", join(directory, "self"));
  execFileSync("mkfifo", [join(directory, "pipe.yaml")]);
  await writeFile(join(directory, "good.yaml"), service("web"));
  await writeFile(join(directory, "long.yaml"), ingress("long", `${"a".repeat(300)}.example.test`));
  const watched = watchDirectory(t, directory);
  await eventually(() => assert.equal(watched.source.state().synced, true));
  assert.ok(watched.names().includes("Service shop/web"));
  const files = [...watched.refusals.keys()].map((where) => where.split(":")[0]);
  for (const file of [
    "binary.yaml",
    "latin1.yaml",
    "huge.yaml",
    "deep.yaml",
    "word.yaml",
    "broken.json",
    "self.yaml",
    "laughs.yaml",
    "loop.yaml",
    "dangling.yaml",
    "pipe.yaml",
  ]) {
    assert.ok(files.includes(file), `${file} was not refused`);
  }
  for (const refusal of watched.refusals.values()) {
    for (const fault of refusal.faults) {
      assert.notEqual(fault.message, "");
      assert.notEqual(fault.fix, "");
    }
  }
});

test(
  "a file that may not be read is refused until it may",
  { skip: process.getuid?.() === 0 && "root reads everything" },
  async (t) => {
    const directory = await makeDirectory(t);
    await writeFile(join(directory, "a.yaml"), service("web"), { mode: 0 });
    const watched = watchDirectory(t, directory);
    await eventually(() =>
      assert.match([...watched.refusals.values()][0]?.faults[0]?.message ?? "", /permission denied/),
    );
  },
);

test("a List gives its items, each with its own line", async (t) => {
  const directory = await makeDirectory(t);
  const item = (name: string): string =>
    `- {apiVersion: v1, kind: Service, metadata: {name: ${name}}, spec: {ports: [{port: 80}]}}`;
  const text = `# from a cluster\n---\napiVersion: v1\nkind: List\nitems:\n${item("one")}\n- 7\n${item("two")}\n`;
  await writeFile(join(directory, "all.yaml"), text);
  const watched = watchDirectory(t, directory);
  await eventually(() => assert.deepEqual(watched.names(), ["Service default/one", "Service default/two"]));
  assert.deepEqual(watched.objects.get("Service/default/two")?.meta.position, { file: "all.yaml", index: 2, line: 8 });
  assert.deepEqual([...watched.refusals.keys()], ["all.yaml:7 (document 1, item 2)"]);
});

test("knows where a document stands when one above it grows, and tells of no other change", async (t) => {
  const directory = await makeDirectory(t);
  const file = join(directory, "a.yaml");
  await writeFile(file, `${service("one")}---\n${service("two")}---\nkind: [\n`);
  const watched = watchDirectory(t, directory);
  await eventually(() => assert.equal(watched.names().length, 2));
  const before = watched.objects.get("Service/shop/two")?.meta;
  await writeFile(file, `# a comment\n# and one more\n${service("one")}---\n${service("two")}---\nkind: [\n`);
  await eventually(() => {
    const { position, ...rest } = watched.objects.get("Service/shop/two")?.meta ?? {};
    assert.deepEqual(position, { file: "a.yaml", index: 1, line: 10 });
    assert.deepEqual({ ...rest, position: before?.position }, { ...before });
  });
  assert.deepEqual([...watched.refusals.keys()], ["a.yaml:17 (document 3)"]);
  assert.match(watched.refusals.get("a.yaml:17 (document 3)")?.faults[0]?.message ?? "", /\(line 1[78]\)$/);
});

test("ignores kinds that are none of its business", async (t) => {
  const directory = await makeDirectory(t);
  await writeFile(join(directory, "a.yaml"), "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n");
  const watched = watchDirectory(t, directory);
  await eventually(() => assert.equal(watched.source.state().synced, true));
  assert.deepEqual([watched.names(), watched.refusals.size], [[], 0]);
});
