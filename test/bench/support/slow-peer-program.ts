// Peers that answer after a while, on every address of 127.0.0.0/8: those that end in SLOW_LAST after SLOW_MS, all
// others after FAST_MS. On the next port it tells how many requests came to each address, as JSON.
//   slow-peer-program.ts PORT FAST_MS SLOW_MS SLOW_LAST

import { createServer } from "node:http";

const [port = "", fastMs = "", slowMs = "", slowLast = ""] = process.argv.slice(2);
const counts = new Map<string, number>();

const peers = createServer((request, response) => {
  const address = request.socket.localAddress ?? "";
  counts.set(address, (counts.get(address) ?? 0) + 1);
  const ms = Number(address.endsWith(`.${slowLast}`) ? slowMs : fastMs);
  setTimeout(() => response.end("answer"), ms);
});
peers.keepAliveTimeout = 3_600_000;
peers.listen(Number(port), "0.0.0.0");
createServer((_request, response) => response.end(JSON.stringify(Object.fromEntries(counts)))).listen(
  Number(port) + 1,
  "0.0.0.0",
);
