// One of ten peers dies under load, and comes back: what clients see of it, and how many requests meet it.

import { setTimeout as delay } from "node:timers/promises";
import { HTTP_PORT } from "../e2e/support/edge.ts";
import { eventually } from "../e2e/support/eventually.ts";
import { gate, type Result, rounded, told } from "./support/result.ts";
import { TenPeers } from "./support/ten-peers.ts";
import { Wrk, type WrkRun } from "./support/wrk.ts";

const BACK_OFF_S = 2;
const DEAD = 3;
const CONNECTIONS = 32;
/** Of the requests while it is ejected. */
const SHARE_MAX = 1 / 1000;
/** Back-offs from its return until it is used. */
const BACK_OFFS_MAX = 2;
const RETURN_MS_MAX = 60_000;

export async function measureDeadPeer(
  options: { readonly short: boolean },
  done: (result: Result) => void,
): Promise<void> {
  const ten = await TenPeers.start("dead", { health: { backOffS: BACK_OFF_S } });
  try {
    done(await dieAndReturn(ten, options.short ? 5 : 20));
  } finally {
    await ten.stop();
  }
}

async function dieAndReturn(ten: TenPeers, deadSeconds: number): Promise<Result> {
  const wrk = await Wrk.prepare(ten.edge.machine);
  const ask = (seconds: number): Promise<WrkRun> =>
    wrk.run({ port: HTTP_PORT, hosts: 1, seconds, connections: CONNECTIONS });
  // It dies while it is asked, and the load goes on until it has been back for a while.
  const dying = ask(2);
  await delay(500);
  const killedAt = performance.now();
  await ten.killPeer(DEAD);
  await eventually("it is ejected", async () => (await ten.ejected()).length === 1);
  const ejectedAfterMs = performance.now() - killedAt;
  const first = await dying;
  const before = await ten.failures(DEAD);
  const ejected = await ask(deadSeconds);
  const met = (await ten.failures(DEAD)) - before;
  await ten.startPeer(DEAD);
  // Each time it is out for one back-off longer.
  const [out] = await ten.ejected();
  const backOffS = (out?.ejections ?? 1) * BACK_OFF_S;
  const startedAt = performance.now();
  const back = eventually("it is used again", async () => (await ten.ejected()).length === 0, RETURN_MS_MAX).then(() =>
    performance.now(),
  );
  const last = await askUntil(back, ask);
  const backOffs = ((await back) - startedAt) / 1000 / backOffS;
  const errors = first.errors + ejected.errors + last.errors;
  const asked = first.requests + ejected.requests + last.requests;
  return {
    title: "One dead peer of ten",
    method: [
      `Ten peers, ${CONNECTIONS} kept connections that ask without a pause, a back-off of ${BACK_OFF_S} s.`,
      `One peer is killed under load, is dead for ${deadSeconds} s and more, and starts again.`,
      "A request meets it when nginx's error log says that it could not be used.",
    ],
    figures: [
      told("requests that met the dead peer once it was ejected", `${met} of ${ejected.requests}`),
      told("from its end to its ejection", `${rounded(ejectedAfterMs)} ms, as asked by curl`),
      told("from its start until it is used", `${rounded(backOffs)} of its back-off of ${backOffS} s`),
    ],
    gates: [
      gate("dead peer, errors", errors === 0, `${errors} of ${asked} requests failed`),
      gate(
        "dead peer, requests that meet it",
        met <= ejected.requests * SHARE_MAX,
        `${met} of ${ejected.requests}, at most 1 in ${1 / SHARE_MAX}`,
      ),
      gate(
        "dead peer, back in use",
        backOffs <= BACK_OFFS_MAX,
        `after ${rounded(backOffs)} back-offs of ${backOffS} s`,
      ),
    ],
  };
}

/** Asks, a second at a time, until `end` is settled. */
async function askUntil(
  end: Promise<unknown>,
  ask: (seconds: number) => Promise<WrkRun>,
): Promise<Pick<WrkRun, "requests" | "errors">> {
  const sum = { requests: 0, errors: 0, ended: false };
  void end.catch(() => undefined).then(() => (sum.ended = true));
  while (!sum.ended) {
    const { requests, errors } = await ask(1);
    sum.requests += requests;
    sum.errors += errors;
  }
  return sum;
}
