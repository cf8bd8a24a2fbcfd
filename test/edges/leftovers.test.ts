import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { closeLan, ip, openLan, sweepLeftovers } from "./lan.ts";

const DEADLINE_MS = 20_000;

/** A test process of its own that has a machine and a process in it, and then waits. */
async function startVictim(): Promise<{ kill: (signal: NodeJS.Signals) => Promise<unknown>; facts: Facts }> {
  const module = JSON.stringify(join(import.meta.dirname, "machine.ts"));
  const lan = JSON.stringify(join(import.meta.dirname, "lan.ts"));
  const program = `
    const { startMachine } = await import(${module});
    const { openLan } = await import(${lan});
    const machine = await startMachine({ name: "victim", suite: "trixie" });
    const running = await machine.spawn(["sleep", "1000"]);
    const { bridge } = openLan();
    console.log(JSON.stringify({ scratch: machine.scratch, init: machine.pid, sleep: running.pid, bridge }));
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await once(child.stdout, "data");
  const facts = JSON.parse(String(line)) as Facts; // printed by the program above
  const ended = once(child, "close");
  return { facts, kill: (signal) => (child.kill(signal), ended) };
}

interface Facts {
  readonly scratch: string;
  readonly init: number;
  readonly sleep: number;
  readonly bridge: string;
}

async function untilGone(pid: number): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  while (existsSync(`/proc/${pid}`)) {
    assert.ok(performance.now() < deadline, `process ${pid} is still there`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test("a test process that is interrupted takes its machines with it", async () => {
  const { facts, kill } = await startVictim();
  await kill("SIGINT");
  await untilGone(facts.init);
  await untilGone(facts.sleep);
  assert.equal(existsSync(facts.scratch), false);
  assert.equal(ip(["-br", "link"]).includes(`${facts.bridge} `), false);
});

test("what SIGKILL leaves ends by itself, and the next run sweeps up the rest", async () => {
  const { facts, kill } = await startVictim();
  await kill("SIGKILL");
  await untilGone(facts.init);
  await untilGone(facts.sleep);
  assert.equal(existsSync(facts.scratch), true);
  sweepLeftovers();
  assert.equal(existsSync(facts.scratch), false);
  assert.equal(ip(["-br", "link"]).includes(`${facts.bridge} `), false);
  assert.ok(openLan().gateway);
  closeLan();
});
