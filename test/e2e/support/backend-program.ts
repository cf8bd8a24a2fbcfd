// A backend for tests: says who it is and what it was asked. `node backend-program.ts NAME PORT`
//   /?delay=MS    answers after MS
//   /?close       ends the connection without an answer
//   Upgrade: websocket   accepts, and echoes every byte it gets

import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { setTimeout as delay } from "node:timers/promises";

const [name = "backend", port = "8080"] = process.argv.slice(2);

const server = createServer((request, response) => {
  const query = new URL(request.url ?? "/", "http://backend").searchParams;
  if (query.has("close")) {
    request.socket.destroy();
    return;
  }
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const body = JSON.stringify({
      backend: name,
      method: request.method,
      url: request.url,
      headers: request.headers,
      rawHeaders: request.rawHeaders,
      bytes: Buffer.concat(chunks).length,
    });
    void delay(Number(query.get("delay") ?? "0")).then(() => {
      response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
      response.end(body);
    });
  });
});

// RFC 6455, section 4.2.2.
const WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

server.on("upgrade", (request, socket) => {
  const key = request.headers["sec-websocket-key"] ?? "";
  const accept = createHash("sha1").update(`${key}${WEBSOCKET_GUID}`).digest("base64");
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      `Sec-WebSocket-Accept: ${accept}\r\nX-Backend: ${name}\r\n\r\n`,
  );
  socket.on("data", (chunk: Buffer) => socket.write(chunk));
  socket.on("error", () => socket.destroy());
  socket.on("end", () => socket.end());
});

server.keepAliveTimeout = 60_000;
server.listen(Number(port), "::", () => process.stdout.write("listening\n"));
