import assert from "node:assert/strict";
import { createServer as createHttp, type Server as HttpServer } from "node:http";
import { createServer as createHttp2, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, createServer as createTcp, type Server } from "node:net";
import { describe, test, type TestContext } from "node:test";
import { probePeer } from "../../../agent/check/probe.ts";
import type { PeerCheck } from "../../../agent/model/peer-check.ts";

const CHECK: PeerCheck = {
  kind: "http",
  port: 0,
  path: "/",
  host: "",
  service: "",
  status: { from: 200, to: 399 },
  intervalMs: 5000,
  timeoutMs: 2000,
  passes: 2,
  fails: 3,
};
const { signal } = new AbortController();

async function listen(t: TestContext, server: Server | HttpServer): Promise<number> {
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  t.after(() => {
    server.close();
    if ("closeAllConnections" in server) server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port; // a TCP server's
}

function probe(port: number, check: Partial<PeerCheck>): Promise<string | null> {
  return probePeer({ address: "127.0.0.1", port }, { ...CHECK, ...check }, signal);
}

/** A server that takes connections, writes `text`, and then says nothing. */
function raw(t: TestContext, text: string): Promise<number> {
  return listen(
    t,
    createTcp((socket) => {
      t.after(() => socket.destroy());
      socket.on("error", () => undefined).write(text);
    }),
  );
}

describe("a check by HTTP", () => {
  test("asks for the path with the host, and judges the status", async (t) => {
    const asked: (string | undefined)[] = [];
    const port = await listen(
      t,
      createHttp((incoming, outgoing) => {
        asked.push(incoming.method, incoming.url, incoming.headers.host);
        outgoing.statusCode = Number(/\d+/.exec(incoming.url ?? "")?.[0] ?? 200);
        outgoing.end("x".repeat(100_000));
      }),
    );
    assert.equal(await probe(port, { path: "/healthz?x=", host: "shop.example" }), null);
    assert.deepEqual(asked, ["GET", "/healthz?x=", "shop.example"]);
    assert.equal(await probe(port, { path: "/302" }), null);
    assert.equal(await probe(port, { path: "/503" }), "status 503");
    assert.equal(await probe(port, { path: "/302", status: { from: 200, to: 299 } }), "status 302");
    assert.equal(await probe(port, { path: "/404", status: { from: 404, to: 404 } }), null);
  });

  test("says what a peer does instead of answering", async (t) => {
    assert.equal(await probe(await raw(t, ""), { timeoutMs: 100 }), "timeout");
    assert.match((await probe(await raw(t, "nonsense\r\n\r\n"), {})) ?? "", /^HPE_/);
    assert.match((await probe(await raw(t, `HTTP/1.1 200 OK\r\nx: ${"y".repeat(20_000)}`), {})) ?? "", /^HPE_/);
    const port = await listen(
      t,
      createTcp((socket) => socket.destroy()),
    );
    assert.equal(await probe(port, {}), "reset");
  });

  test("does not wait longer than it may for one that trickles", async (t) => {
    const port = await listen(
      t,
      createTcp((socket) => {
        const timer = setInterval(() => socket.write("H"), 10);
        t.after(() => socket.destroy());
        socket.on("error", () => undefined).on("close", () => clearInterval(timer));
      }),
    );
    assert.notEqual(await probe(port, { timeoutMs: 200 }), null);
  });
});

describe("a check by TCP", () => {
  test("wants a connection and no byte", async (t) => {
    const port = await raw(t, "");
    assert.equal(await probe(port, { kind: "tcp" }), null);
    const gone = createTcp();
    const closed = await listen(t, gone);
    await new Promise((resolve) => gone.close(resolve));
    assert.equal(await probe(closed, { kind: "tcp" }), "refused");
  });
});

interface GrpcAnswer {
  readonly status?: number;
  readonly body?: readonly number[];
  readonly grpcStatus?: string;
}

/** A server of grpc.health.v1, which keeps the messages that it got. */
async function grpc(t: TestContext, answer: GrpcAnswer): Promise<{ port: number; asked: string[] }> {
  const asked: string[] = [];
  const server = createHttp2();
  server.on("stream", (stream: ServerHttp2Stream, headers) => {
    const pieces: Buffer[] = [];
    stream.on("data", (piece: Buffer) => pieces.push(piece));
    stream.on("error", () => undefined);
    stream.on("end", () => {
      asked.push(`${headers[":path"]} ${Buffer.concat(pieces).toString("hex")}`);
      stream.respond(
        { ":status": answer.status ?? 200, "content-type": "application/grpc" },
        { waitForTrailers: true },
      );
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": answer.grpcStatus ?? "0" }));
      stream.end(Buffer.from(answer.body ?? []));
    });
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  t.after(() => server.close());
  return { port: (server.address() as AddressInfo).port, asked }; // a TCP server's
}

describe("a check by gRPC", () => {
  test("asks grpc.health.v1 for the service, and wants SERVING", async (t) => {
    const serving = await grpc(t, { body: [0, 0, 0, 0, 2, 8, 1] });
    assert.equal(await probe(serving.port, { kind: "grpc" }), null);
    assert.equal(await probe(serving.port, { kind: "grpc", service: "shop.Cart" }), null);
    const name = Buffer.from("shop.Cart").toString("hex");
    assert.deepEqual(serving.asked, [
      "/grpc.health.v1.Health/Check 0000000000",
      `/grpc.health.v1.Health/Check 000000000b0a09${name}`,
    ]);
  });

  test("takes nothing else for it", async (t) => {
    const cases: readonly (readonly [GrpcAnswer, string])[] = [
      [{ body: [0, 0, 0, 0, 2, 8, 2] }, "not serving"],
      [{ body: [] }, "not serving"],
      [{ grpcStatus: "5" }, "gRPC status 5"],
      [{ status: 503 }, "status 503"],
      [{ body: Array.from({ length: 2000 }, () => 8) }, "answer is too long"],
    ];
    for (const [answer, cause] of cases) {
      const { port } = await grpc(t, answer);
      assert.equal(await probe(port, { kind: "grpc" }), cause);
    }
    const http1 = await raw(t, "HTTP/1.1 400 Bad Request\r\n\r\n");
    assert.notEqual(await probe(http1, { kind: "grpc" }), null);
    assert.equal(await probe(await raw(t, ""), { kind: "grpc", timeoutMs: 100 }), "timeout");
  });
});
