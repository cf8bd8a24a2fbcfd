// What is spoken to backends: HTTP/1.1, HTTP/2 in cleartext and gRPC, each over TLS too, with names and verified.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createSecureServer, createServer, type Http2Server, type ServerHttp2Stream } from "node:http2";
import { createServer as createHttpsServer } from "node:https";
import type { Server } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { TLSSocket } from "node:tls";

import type { FilterValue } from "../../../agent/render/documents.ts";
import { ask, Backend } from "../support/backend.ts";
import { Lines } from "../support/documents.ts";
import { selfSigned, TestNginx } from "../support/nginx.ts";

const OLD = process.env["HEADGATE_TEST_SUITE"] === "bookworm";

interface Seen {
  readonly path: string;
  readonly protocol: string;
  readonly authority: string;
  readonly serverName: string | false | null;
}

interface Peer extends AsyncDisposable {
  readonly peer: string;
  readonly seen: Seen[];
  connections: number;
}

async function listening(server: Server | Http2Server, seen: Seen[], event: string): Promise<Peer> {
  server.unref();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const peer: Peer = {
    peer: `127.0.0.1:${address.port}`,
    seen,
    connections: 0,
    [Symbol.asyncDispose]: async () => {
      server.close();
    },
  };
  server.on(event, () => {
    peer.connections += 1;
  });
  return peer;
}

/** HTTPS/1.1 with a certificate for `names`. */
function httpsPeer(directory: string, ...names: readonly string[]): Promise<Peer> {
  const seen: Seen[] = [];
  const server = createHttpsServer(keyPair(directory, names), (incoming, outgoing) => {
    const socket = incoming.socket as TLSSocket; // an https server's sockets are
    const { url = "", httpVersion: protocol, headers } = incoming;
    seen.push({ path: url, protocol, authority: headers.host ?? "", serverName: socket.servername });
    outgoing.end("secure");
  });
  server.keepAliveTimeout = 60_000;
  return listening(server, seen, "secureConnection");
}

/** HTTP/2, in cleartext or over TLS; answers as a gRPC service does. */
function http2Peer(directory: string, ...names: readonly string[]): Promise<Peer> {
  const seen: Seen[] = [];
  const server = names.length === 0 ? createServer() : createSecureServer(keyPair(directory, names));
  server.on("stream", (stream: ServerHttp2Stream, headers) => {
    const socket = stream.session?.socket as TLSSocket | undefined; // in cleartext it has no server name
    seen.push({
      path: headers[":path"] ?? "",
      protocol: "2",
      // nginx's gRPC module sends the host as a header of its own.
      authority: headers[":authority"] ?? headers.host ?? "",
      serverName: socket?.servername ?? null,
    });
    stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end("two");
  });
  return listening(server, seen, "session");
}

function keyPair(directory: string, names: readonly string[]): { cert: Buffer; key: Buffer } {
  const files = [join(directory, `${names[0]}.crt`), join(directory, `${names[0]}.key`)] as const;
  selfSigned(...files, ...names);
  return { cert: readFileSync(files[0]), key: readFileSync(files[1]) };
}

/** One host that speaks `profile` to one peer. */
async function site(
  nginx: TestNginx,
  lines: Lines,
  host: string,
  { peer, profile, name }: { peer: string; profile: string; name?: string },
): Promise<void> {
  const label = host.replaceAll(".", "-");
  const filters: FilterValue[] = name === undefined ? [] : [{ kind: "upstream_tls_name", name }];
  const results = await nginx.push.put(
    lines.backend(`test/${label}/80`, [peer]),
    lines.route(`test/${label}/all`, `test/${label}/80`, { profile, filters }),
    lines.host(host, { "/": `test/${label}/all` }),
  );
  for (const { result, message } of results) assert.equal(result, "applied", message);
}

async function times(count: number, work: () => Promise<void>): Promise<void> {
  for (let done = 0; done < count; done++) await work();
}

describe("backends", () => {
  test("over https without a name: the path as the client wrote it, one connection kept", async () => {
    await using nginx = await TestNginx.start({ workers: 1 });
    await using peer = await httpsPeer(nginx.directory, "b.test");
    await site(nginx, new Lines(), "a.test", { peer: peer.peer, profile: "https" });
    await times(5, async () => {
      assert.equal((await ask(nginx.http, "a.test", { path: "/a%2Fb?q=%20" })).text, "secure");
    });
    assert.deepEqual(peer.seen[0], {
      path: "/a%2Fb?q=%20",
      protocol: "1.1",
      authority: "a.test",
      serverName: false,
    });
    assert.equal(peer.connections, 1);
  });

  test("over https by name: routes to one address never share a connection of another name", async () => {
    await using nginx = await TestNginx.start({ workers: 1 });
    await using peer = await httpsPeer(nginx.directory, "b.test");
    const lines = new Lines();
    await site(nginx, lines, "a.test", { peer: peer.peer, profile: "https-named", name: "a.internal" });
    await site(nginx, lines, "b.test", { peer: peer.peer, profile: "https-named", name: "b.internal" });
    await times(3, async () => {
      for (const host of ["a.test", "b.test"]) assert.equal((await ask(nginx.http, host)).status, 200);
    });
    assert.deepEqual(
      peer.seen.map(({ authority, serverName }) => `${authority} ${serverName}`),
      [
        "a.test a.internal",
        "b.test b.internal",
        "a.test a.internal",
        "b.test b.internal",
        "a.test a.internal",
        "b.test b.internal",
      ],
    );
    // Debian 12's Lua cannot tell kept connections apart by name: there none is kept.
    assert.equal(peer.connections, OLD ? 6 : 2);
  });

  test("verified: the right name by the right authority, else 502", async () => {
    await using nginx = await TestNginx.start({ workers: 1 });
    await using peer = await httpsPeer(nginx.directory, "b.internal");
    await using other = await httpsPeer(nginx.directory, "c.internal");
    await nginx.reconfigure({
      verified: [
        {
          name: "https-0a1b",
          protocol: "https",
          authorities: readFileSync(join(nginx.directory, "b.internal.crt"), "utf8"),
          verifyDepth: 1,
        },
      ],
    });
    const lines = new Lines();
    await site(nginx, lines, "good.test", { peer: peer.peer, profile: "https-0a1b", name: "b.internal" });
    await site(nginx, lines, "name.test", { peer: peer.peer, profile: "https-0a1b", name: "x.internal" });
    await site(nginx, lines, "authority.test", { peer: other.peer, profile: "https-0a1b", name: "c.internal" });
    await site(nginx, lines, "unverified.test", { peer: other.peer, profile: "https-named", name: "b.internal" });
    await times(2, async () => {
      assert.equal((await ask(nginx.http, "good.test")).status, 200);
      assert.equal((await ask(nginx.http, "unverified.test")).status, 200);
      assert.equal((await ask(nginx.http, "name.test")).status, 502);
      assert.equal((await ask(nginx.http, "authority.test")).status, 502);
    });
    assert.equal(peer.seen.length, 2);
    assert.equal(other.seen.length, 2);
  });

  test("a document that names a profile that is not there yet answers 503, and serves after the reload", async () => {
    await using nginx = await TestNginx.start({ workers: 1 });
    await using peer = await httpsPeer(nginx.directory, "b.internal");
    await site(nginx, new Lines(), "a.test", { peer: peer.peer, profile: "https-0a1b", name: "b.internal" });
    assert.equal((await ask(nginx.http, "a.test")).status, 503);
    const authorities = readFileSync(join(nginx.directory, "b.internal.crt"), "utf8");
    await nginx.reconfigure({ verified: [{ name: "https-0a1b", protocol: "https", authorities, verifyDepth: 1 }] });
    assert.equal((await ask(nginx.http, "a.test")).status, 200);
  });

  test("by HTTP/2 in cleartext: path and query arrive, one connection kept, trailers come back", async () => {
    await using nginx = await TestNginx.start({ workers: 1 });
    await using peer = await http2Peer(nginx.directory);
    await site(nginx, new Lines(), "a.test", { peer: peer.peer, profile: "grpc" });
    await times(3, async () => {
      const answer = await ask(nginx.https, "a.test", { path: "/pkg.Service/Call%20x?q=%20", servername: "a.test" });
      assert.deepEqual([answer.status, answer.text], [200, "two"]);
    });
    assert.deepEqual(peer.seen[0], {
      path: "/pkg.Service/Call%20x?q=%20",
      protocol: "2",
      authority: "a.test",
      serverName: null,
    });
    assert.equal(peer.connections, 1);
  });

  test("by gRPC over TLS, with and without a name, never on one connection", async () => {
    await using nginx = await TestNginx.start({ workers: 1 });
    await using peer = await http2Peer(nginx.directory, "b.test");
    const lines = new Lines();
    await site(nginx, lines, "a.test", { peer: peer.peer, profile: "grpcs" });
    await site(nginx, lines, "b.test", { peer: peer.peer, profile: "grpcs-named", name: "b.internal" });
    await times(2, async () => {
      for (const host of ["a.test", "b.test"]) assert.equal((await ask(nginx.http, host)).status, 200);
    });
    assert.deepEqual(
      peer.seen.map(({ authority, serverName }) => `${authority} ${serverName === false ? "-" : serverName}`),
      ["a.test -", "b.test b.internal", "a.test -", "b.test b.internal"],
    );
    assert.equal(peer.connections, OLD ? 3 : 2);
  });

  test("plain HTTP and TLS to one address and port share nothing", async () => {
    await using nginx = await TestNginx.start({ workers: 1 });
    await using plain = await Backend.start("plain");
    const lines = new Lines();
    await site(nginx, lines, "a.test", { peer: plain.peer, profile: "http" });
    await site(nginx, lines, "b.test", { peer: plain.peer, profile: "https" });
    assert.equal((await ask(nginx.http, "a.test")).status, 200);
    assert.equal((await ask(nginx.http, "b.test")).status, 502, "the kept plain connection is not taken for TLS");
  });
});
