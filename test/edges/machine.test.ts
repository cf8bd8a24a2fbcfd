import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { closeLan, ip, openLan } from "./lan.ts";
import { NODE, REPOSITORY, startMachine, startNamespace } from "./machine.ts";

const SERVER = `require("node:http").createServer((request, response) => response.end("backend says " + request.url)).listen(8080, "::")`;
const ANSWER_DEADLINE_MS = 10_000;

after(() => closeLan());

async function fetchUntil(url: string): Promise<string> {
  const deadline = AbortSignal.timeout(ANSWER_DEADLINE_MS);
  for (;;) {
    try {
      return await (await fetch(url, { signal: deadline })).text();
    } catch (error) {
      if (deadline.aborted) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

test("a trixie machine has Debian 13's nginx and the repository, read-only", async () => {
  const machine = await startMachine({ name: "nginx", suite: "trixie" });
  try {
    const { stderr } = await machine.exec(["nginx", "-V"]);
    assert.match(stderr, /nginx version: nginx\/1\.26\.3/);
    const { stdout } = await machine.exec([NODE, "--version"], { cwd: REPOSITORY });
    assert.match(stdout, /^v24\./);
    const touched = await machine.exec(["touch", join(REPOSITORY, "test/edges/written")], { reject: false });
    assert.notEqual(touched.exitCode, 0);
    writeFileSync(join(machine.scratch, "outside"), "from outside");
    await machine.exec(["sh", "-c", `cat outside > inside; rm -rf /usr/share/nginx`], { cwd: machine.scratch });
    assert.equal(readFileSync(join(machine.scratch, "inside"), "utf8"), "from outside");
  } finally {
    await machine.stop();
  }
});

test("a bookworm machine has Debian 12's nginx", async () => {
  const machine = await startMachine({ name: "nginx", suite: "bookworm" });
  try {
    const { stderr } = await machine.exec(["nginx", "-V"]);
    assert.match(stderr, /nginx version: nginx\/1\.22\.1/);
    const { stdout } = await machine.exec([NODE, "--version"]);
    assert.match(stdout, /^v24\./);
  } finally {
    await machine.stop();
  }
});

test("machine, backend namespace and test process reach each other over IPv4 and IPv6", async () => {
  const lan = openLan();
  const machine = await startMachine({ name: "edge", suite: "trixie" });
  const backend = await startNamespace({ name: "backend", address: lan.address("1.200") });
  try {
    const server = await backend.spawn([NODE, "-e", SERVER]);
    assert.equal(await fetchUntil(`http://${backend.address}:8080/direct`), "backend says /direct");
    for (const host of [backend.address, `[${backend.address6}]`]) {
      const { stdout } = await machine.exec(["curl", "-sS", "-m", "5", `http://${host}:8080/inside`]);
      assert.equal(stdout, "backend says /inside");
    }
    assert.notEqual(server.pid, server.pidInside);
    const { stdout } = await backend.exec(["ps", "-o", "args=", "-p", String(server.pidInside)]);
    assert.ok(stdout.startsWith(NODE), stdout);
    server.kill("SIGTERM");
    assert.equal((await server.exited).signal, "SIGTERM");
  } finally {
    await Promise.all([machine.stop(), backend.stop()]);
  }
});

test("a program that fails says so with its output", async () => {
  const backend = await startNamespace({ name: "failing" });
  try {
    await assert.rejects(backend.exec(["sh", "-c", "echo why >&2; exit 3"]), /exit code 3\nwhy/);
    await assert.rejects(backend.exec(["sleep", "60"], { timeoutMs: 200 }), /longer than 200 ms/);
    assert.equal((await backend.exec(["sh", "-c", "exit 4"], { reject: false })).exitCode, 4);
  } finally {
    await backend.stop();
  }
});

test("stop leaves no process, mount, link, bridge or directory", async () => {
  closeLan();
  const linksBefore = ip(["-br", "link"]);
  const mountsBefore = readFileSync("/proc/self/mounts", "utf8");
  const machine = await startMachine({ name: "gone", suite: "trixie" });
  const daemon = await machine.spawn([NODE, "-e", "setInterval(() => {}, 1000)"]);
  await machine.exec(["sh", "-c", "setsid sleep 4242 > /dev/null 2>&1 & mount -t tmpfs tmpfs /mnt"]);
  await machine.stop();
  closeLan();
  await daemon.exited;
  assert.throws(() => process.kill(daemon.pid, 0), { code: "ESRCH" });
  assert.throws(() => process.kill(machine.pid, 0), { code: "ESRCH" });
  assert.equal(execFileSync("ps", ["-eo", "args"], { encoding: "utf8" }).includes("sleep 4242\n"), false);
  assert.equal(ip(["-br", "link"]), linksBefore);
  assert.equal(readFileSync("/proc/self/mounts", "utf8"), mountsBefore);
  assert.equal(existsSync(machine.scratch), false);
});
