// HTTP/2 over TLS in a closed loop, for some seconds; the last line of output is what it did, as JSON. Slower than wrk,
// which has no HTTP/2: what counts is the processor time of the side that answers.
//   h2-program.ts ADDRESS PORT HOST SESSIONS STREAMS SECONDS

import { connect, type ClientHttp2Session } from "node:http2";
import type { Load } from "./side-by-side.ts";
import { percentile } from "./statistics.ts";

const [address = "", port = "", host = "", sessions = "", streams = "", seconds = ""] = process.argv.slice(2);
const end = performance.now() + Number(seconds) * 1000;
const timesUs: number[] = [];
let errors = 0;

/** One stream after the other until the time is over. */
async function ask(session: ClientHttp2Session): Promise<void> {
  while (performance.now() < end) {
    const begin = performance.now();
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const stream = session.request({ ":path": "/some/path?x=1", ":authority": host });
    let status = 0;
    stream.on("response", (headers) => {
      status = Number(headers[":status"]);
    });
    stream.on("error", () => resolve(false));
    stream.on("close", () => resolve(status === 200));
    stream.resume();
    if (await promise) timesUs.push((performance.now() - begin) * 1000);
    else errors += 1;
    if (errors > 100) return;
  }
}

const opened = Array.from({ length: Number(sessions) }, () => {
  const session = connect(`https://${address}:${port}`, { servername: host, rejectUnauthorized: false });
  session.on("error", () => {
    errors += 1;
  });
  return session;
});
await Promise.all(opened.flatMap((session) => Array.from({ length: Number(streams) }, () => ask(session))));
for (const session of opened) session.destroy();
const load: Load = {
  requests: timesUs.length,
  errors,
  p99Us: timesUs.length === 0 ? 0 : Math.round(percentile(timesUs, 0.99)),
};
process.stdout.write(`${JSON.stringify(load)}\n`);
