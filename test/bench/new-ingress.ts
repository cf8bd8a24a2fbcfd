// From the API server's answer to a POST of an Ingress to the first 200 of its host, and what its host answers around.

import { setTimeout as delay } from "node:timers/promises";
import { ingress } from "../e2e/support/objects.ts";
import { collectionPath } from "../kube/paths.ts";
import { KeepAliveClient } from "./support/keep-alive-client.ts";
import { atMost, gate, type Result, told } from "./support/result.ts";
import { change, type Stage, WEB } from "./support/stage.ts";
import { percentile } from "./support/statistics.ts";

const ASKED_BEFORE = 3;
const ASKED_AFTER = 20;
const SEEN_MS_MAX = 5_000;
const P50_MS_MAX = 10;

export async function measureNewIngress(stage: Stage, count: number): Promise<Result> {
  const times: number[] = [];
  const odd: string[] = [];
  for (let index = 0; index < count; index++) {
    const { ms, statuses } = await oneIngress(stage, index);
    times.push(Math.max(0, ms));
    if (!/^(404,)+(200,)+$/.test(statuses)) odd.push(statuses);
  }
  return {
    title: "A new Ingress",
    method: [
      "A client asks for a host without a pause on a kept connection, and an Ingress for it is posted.",
      "The time runs from the API server's answer to the POST until the first 200; below zero counts as zero.",
    ],
    figures: [
      atMost("new Ingress to its first 200, p50", percentile(times, 0.5), P50_MS_MAX, { unit: "ms" }),
      told("new Ingress to its first 200, p99", `${percentile(times, 0.99).toFixed(2)} ms of ${count}`),
    ],
    gates: [
      gate(
        "404 before, 200 after",
        odd.length === 0,
        `${odd.length} of ${count} hosts answered anything else${odd[0] === undefined ? "" : `: ${odd[0]}`}`,
      ),
    ],
  };
}

/** `statuses`: each answer in order, with a comma after it. `ms` is below zero where an event overtook the answer. */
export async function oneIngress(stage: Stage, index: number): Promise<{ ms: number; statuses: string }> {
  const host = `new-${index}.example.test`;
  const client = new KeepAliveClient(stage.http);
  const object = ingress({ name: `new-${index}`, host, paths: [{ path: "/", service: WEB }] });
  const statuses: number[] = [];
  const ask = async (): Promise<number> => {
    const reply = await client.ask(host, "/");
    statuses.push(reply.status);
    return reply.status === 200 ? reply.arrivedAt : Number.NaN;
  };
  try {
    for (let i = 0; i < ASKED_BEFORE; i++) await ask();
    const posted = change(stage.cluster, "POST", collectionPath(object), object);
    const end = performance.now() + SEEN_MS_MAX;
    let firstAt = Number.NaN;
    while (Number.isNaN(firstAt)) {
      firstAt = await ask();
      if (performance.now() > end)
        throw new Error(`${host} did not serve within ${SEEN_MS_MAX} ms: ${statuses.at(-1)}`);
    }
    const answeredAt = await posted;
    for (let i = 0; i < ASKED_AFTER; i++) {
      await ask();
      await delay(1);
    }
    return { ms: firstAt - answeredAt, statuses: statuses.map((status) => `${status},`).join("") };
  } finally {
    client.close();
  }
}
