// Full TLS handshakes, some at a time, for some seconds, each with the next of the names; the last line of output is
// what it did, as JSON. A certificate for another name than was asked for is an error.
//   handshake-program.ts ADDRESS PORT PREFIX NAMES AT_A_TIME SECONDS
// Names are PREFIX-0.example.test and so on; with NAMES 0 all ask for PREFIX-0, whatever the certificate's name is.
// With SECONDS 0 each name is asked for once.

import { connect } from "node:tls";
import type { Load } from "./side-by-side.ts";

const [address = "", port = "", prefix = "", names = "", atATime = "", seconds = ""] = process.argv.slice(2);
const end = performance.now() + Number(seconds) * 1000;
const count = Number(names);
let requests = 0;
let errors = 0;
// Rounds do not begin with the same names.
let asked = seconds === "0" ? 0 : Math.floor(Math.random() * count);

function shake(servername: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  // No session is offered, so every handshake is a full one.
  const socket = connect({ host: address, port: Number(port), servername, rejectUnauthorized: false }, () => {
    const subject = socket.getPeerCertificate().subject;
    resolve(count === 0 || subject.CN === servername);
  });
  socket.on("error", () => resolve(false));
  socket.setTimeout(10_000, () => resolve(false));
  return promise.finally(() => socket.destroy());
}

function goesOn(): boolean {
  return seconds === "0" ? asked < count : performance.now() < end;
}

async function loop(): Promise<void> {
  while (goesOn() && errors < 100) {
    // 7919 is prime: neighbours in time are no neighbours in any order, and every name comes.
    const index = count === 0 ? 0 : (asked++ * 7919) % count;
    if (await shake(`${prefix}-${index}.example.test`)) requests += 1;
    else errors += 1;
  }
}

await Promise.all(Array.from({ length: Number(atATime) }, loop));
const load: Load = { requests, errors };
process.stdout.write(`${JSON.stringify(load)}\n`);
