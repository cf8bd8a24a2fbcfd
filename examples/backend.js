// A backend for the demo: answers who it is and what it was asked. Usage: backend.js NAME PORT

import { createServer } from "node:http";

const [name = "backend", port = "0"] = process.argv.slice(2);

const server = createServer((request, response) => {
  const { method, url, headers } = request;
  const facts = [
    `${name} on port ${port} answers ${method} ${url}`,
    `  host               ${headers.host ?? "-"}`,
    `  x-forwarded-for    ${headers["x-forwarded-for"] ?? "-"}`,
    `  x-forwarded-proto  ${headers["x-forwarded-proto"] ?? "-"}`,
    `  x-request-id       ${headers["x-request-id"] ?? "-"}`,
  ];
  response.writeHead(200, { "content-type": "text/plain; charset=utf-8", "x-backend": name });
  response.end(`${facts.join("\n")}\n`);
});

server.on("error", (error) => {
  process.stderr.write(`${name} cannot listen on 127.0.0.1:${port}: ${error.message}\n`);
  process.exitCode = 1;
});
server.listen(Number(port), "127.0.0.1");
// Connections that nginx keeps open would hold the process.
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(0));
