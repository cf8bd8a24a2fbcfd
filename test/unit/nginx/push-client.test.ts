import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import type { AgentError } from "../../../agent/lib/errors.ts";
import { encodeLine, PushClient } from "../../../agent/nginx/push-client.ts";
import type { PushLine } from "../../../agent/plan/steps.ts";

const { signal } = new AbortController();

/** A socket that answers as the test says: what a broken or a newer data plane could answer. */
async function listening(
  t: TestContext,
  handler: (body: string, request: IncomingMessage, response: ServerResponse) => void,
): Promise<PushClient> {
  const folder = await mkdtemp(join(tmpdir(), "headgate-push-"));
  const path = join(folder, "push.sock");
  const server: Server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => (body += text));
    request.on("end", () => handler(body, request, response));
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const client = new PushClient(path);
  t.after(async () => {
    client.close();
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true, force: true });
  });
  return client;
}

function line(key: string, text = "{}"): PushLine {
  return { kind: "backend", key, generation: 3, text };
}

function refusesWith(code: string, words: RegExp): (error: AgentError) => boolean {
  return (error) => {
    assert.equal(error.code, code);
    assert.match(error.message, words);
    return true;
  };
}

test("a line is one line of JSON, with null for a deletion", () => {
  assert.equal(
    encodeLine({ kind: "host", key: "ingress/ü\n", generation: 4, text: null }),
    '{"kind":"host","key":"ingress/ü\\n","generation":4,"schema":1,"value":null}\n',
  );
});

test("long pushes are cut into pieces of at most 256 kB, and the answers stay in order", async (t) => {
  const sizes: number[] = [];
  const client = await listening(t, (body, _request, response) => {
    sizes.push(Buffer.byteLength(body));
    const lines = body.split("\n").slice(0, -1);
    const answers = lines.map((text) =>
      text.includes("bad") ? '{"result":"invalid","message":"m"}' : '{"result":"same"}',
    );
    response.end(`${answers.join("\n")}\n`);
  });
  const lines = Array.from({ length: 1000 }, (_, index) =>
    line(index === 777 ? "bad" : `k${index}`, `"${"x".repeat(900)}"`),
  );
  const results = await client.push(lines, signal);
  assert.equal(results.length, 1000);
  assert.deepEqual(results[777], { kind: "invalid", message: "m" });
  assert.ok(sizes.length >= 4, `${sizes.length} pieces`);
  assert.ok(
    sizes.every((size) => size <= 256 * 1024),
    sizes.join(),
  );
});

test("a line that is too long for the API is refused by itself, and the others are sent", async (t) => {
  const keys: string[] = [];
  const client = await listening(t, (body, _request, response) => {
    const lines = body.split("\n").slice(0, -1);
    for (const text of lines) keys.push((JSON.parse(text) as { key: string }).key); // our own encoding
    response.end(lines.map(() => '{"result":"applied"}\n').join(""));
  });
  const results = await client.push([line("a"), line("b", `"${"x".repeat(10_000_000)}"`), line("c")], signal);
  assert.deepEqual(keys, ["a", "c"]);
  assert.deepEqual([results[0]?.kind, results[2]?.kind], ["applied", "applied"]);
  assert.ok(results[1]?.kind === "invalid");
  assert.match(results[1].message, /^it has 100000\d\d bytes, and a document may have 1048576$/);
});

test("fewer answers than lines is no success", async (t) => {
  const client = await listening(t, (_body, _request, response) => response.end('{"result":"applied"}\n'));
  await assert.rejects(
    client.push([line("a"), line("b")], signal),
    refusesWith("push-failed", /2 lines sent, 1 answered/),
  );
});

test("an answer that is not in the protocol says so", async (t) => {
  const client = await listening(t, (_body, _request, response) => response.end('{"result":"perhaps"}\n'));
  await assert.rejects(
    client.push([line("a")], signal),
    refusesWith("push-failed", /cannot read the data plane's answer/),
  );
  const garbage = await listening(t, (_body, _request, response) => response.end("<html>"));
  await assert.rejects(garbage.state(signal), refusesWith("push-failed", /not JSON/));
});

test("an error status and a connection that breaks are failures with the call's name", async (t) => {
  const busy = await listening(t, (_body, _request, response) => {
    response.statusCode = 503;
    response.end('{"code":"busy","message":"another writer"}');
  });
  await assert.rejects(busy.push([line("a")], signal), refusesWith("push-failed", /PUT \/v1\/documents.*status 503/));
  const cut = await listening(t, (_body, request) => request.socket.destroy());
  await assert.rejects(cut.state(signal), refusesWith("push-failed", /GET \/v1\/state/));
  const nobody = new PushClient("/nowhere/push.sock");
  await assert.rejects(nobody.state(signal), refusesWith("push-failed", /ENOENT/));
});

test("gives up when it is told to", async (t) => {
  const client = await listening(t, () => {});
  const stopping = new AbortController();
  const pending = client.state(stopping.signal);
  stopping.abort();
  await assert.rejects(pending);
});

test("documents of a kind that a newer agent pushed are left alone", async (t) => {
  const client = await listening(t, (_body, _request, response) => {
    const held = ["backend", "something-new", "toString"].map((kind) => ({ kind, key: "a/b/1", generation: 1 }));
    response.end(JSON.stringify({ documents: held }));
  });
  assert.deepEqual(await client.held(signal), [{ kind: "backend", key: "a/b/1", generation: 1 }]);
});
