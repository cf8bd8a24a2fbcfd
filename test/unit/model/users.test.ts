import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { buildCertificate } from "../../../agent/model/build-certificate.ts";
import { hashFault } from "../../../agent/model/password-hash.ts";
import { type ReadUsers, usersOf } from "../../../agent/model/users.ts";
import type { Secret } from "../../../agent/objects/objects.ts";
import { trimObject } from "../../../agent/objects/trim.ts";
import { BAD_KEY_PAIR, ingress, path, rule, secret, SETTINGS, storeOf } from "./objects.ts";

const HASH = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";

function withValues(values: Readonly<Record<string, string>>): Secret {
  return { ...secret("shop/users", BAD_KEY_PAIR), type: "Opaque", values };
}

function file(text: string): ReadUsers {
  return usersOf(withValues({ auth: text }), "auth-file");
}

describe("password hashes", () => {
  test("are taken as the data plane takes them", () => {
    const name = join(import.meta.dirname, "../../lua/documents/hashes.json");
    const { good, bad } = JSON.parse(readFileSync(name, "utf8")) as Record<"good" | "bad", readonly string[]>; // a file of ours
    for (const hash of good) assert.equal(hashFault(hash), null, hash);
    for (const hash of bad) {
      assert.notEqual(hashFault(hash), null, hash);
      if (hash.length > 3) assert.ok(hashFault(hash)?.includes(hash) === false, "no hash is told");
    }
  });
});

describe("users of a Secret", () => {
  test("of an htpasswd file: comments, empty lines, other line ends, comments behind a second colon", () => {
    const { users, broken, fault } = file(`# staff\nbob:${HASH}:Bob\r\n\n  \nann:${HASH}  \rjürgen:${HASH}`);
    assert.deepEqual([...users.keys()], ["ann", "bob", "jürgen"]);
    assert.deepEqual([...users.values()], [HASH, HASH, HASH]);
    assert.deepEqual([broken, fault], [[], null]);
  });

  test("a broken line lets nobody in and costs only itself; it is told by its number and without its hash", () => {
    const dear = `$2y$14$${"a".repeat(53)}`;
    const { users, broken, fault } = file(
      `ann:${HASH}\nbob\ncarl:secret\n:${HASH}\nann:{PLAIN}x\ndora:${dear}\na\u0001b:${HASH}\n\ufffd\nzoe:${HASH}`,
    );
    assert.deepEqual(
      [...users],
      [
        ["ann", HASH],
        ["zoe", HASH],
      ],
    );
    assert.equal(fault, null);
    assert.deepEqual(
      broken.map(({ where, message }) => `${where} ${message}`),
      [
        'key "auth", line 2 has no colon',
        'key "auth", line 3 is no password hash that is known',
        'key "auth", line 4 has no name',
        'key "auth", line 5 is a second one of user ann',
        'key "auth", line 6 has a bcrypt hash of cost 14, more than 12',
        'key "auth", line 7 has a name with a character that cannot be sent',
        'key "auth", line 8 has no colon',
      ],
    );
  });

  test("of a map: a key is a user", () => {
    const { users, broken } = usersOf(withValues({ zoe: `${HASH}\n`, ann: HASH, "tls.key": "" }), "auth-map");
    assert.deepEqual(
      [...users],
      [
        ["ann", HASH],
        ["zoe", HASH],
      ],
    );
    assert.deepEqual(broken, [{ where: 'key "tls.key"', message: "has no password hash" }]);
  });

  test("are none, for a reason, where there is nothing that could be used", () => {
    assert.equal(usersOf(withValues({ other: HASH }), "auth-file").fault, 'has no key "auth"');
    assert.equal(usersOf(secret("shop/tls", BAD_KEY_PAIR), "auth-file").fault, 'has no key "auth"');
    assert.equal(usersOf(secret("shop/tls", BAD_KEY_PAIR), "auth-map").fault, "has no user");
    assert.equal(file("").fault, "has no user");
    assert.equal(file("x").fault, 'has no user: key "auth", line 1 has no colon');
    const many = (count: number, name: string): string =>
      Array.from({ length: count }, (_each, index) => `${name}${index}:abNANd1rDfiNc`).join("\n");
    assert.match(file(many(50_001, "u")).fault ?? "", /more than 50000/);
    assert.match(file(many(9_000, "u".repeat(100))).fault ?? "", /more than 900000 bytes/);
    const full = file(many(30_000, "u"));
    assert.deepEqual([full.users.size, full.fault], [30_000, null]);
  });

  test("go out as one document for each layout that is asked for, with what is wrong with single users", () => {
    const annotations = (layout: string): Readonly<Record<string, string>> => ({
      "nginx.ingress.kubernetes.io/auth-type": "basic",
      "nginx.ingress.kubernetes.io/auth-secret": "users",
      "nginx.ingress.kubernetes.io/auth-secret-type": layout,
    });
    const named = (name: string, layout: string, host: string) =>
      ingress(`shop/${name}`, { meta: { annotations: annotations(layout) }, rules: [rule(host, path("/"))] });
    const users = withValues({ auth: `ann:${HASH}\nbob`, zoe: HASH });
    const store = storeOf([named("a", "auth-file", "a.example"), named("b", "auth-file", "b.example"), users]);
    const built = buildCertificate(store, SETTINGS, "shop/users", 0);
    assert.deepEqual(
      built.users.map(({ key, users: found }) => [key, [...found.keys()]]),
      [["shop/users/auth-file", ["ann"]]],
    );
    const [problem] = built.problems;
    assert.equal(problem?.code, "secret-invalid");
    assert.equal(problem?.severity, "warning");
    assert.match(problem?.message ?? "", /^key "auth", line 2 has no colon: nobody is let in by it/);
    assert.deepEqual(problem?.hosts, ["a.example", "b.example"]);
    store.apply([{ kind: "put", object: named("b", "auth-map", "b.example") }]);
    assert.ok(store.takeDirty().includes("certificate:shop/users"), "another layout is another document");
    assert.deepEqual(
      buildCertificate(store, SETTINGS, "shop/users", 0).users.map(({ key }) => key),
      ["shop/users/auth-file", "shop/users/auth-map"],
    );
  });
});

describe("trimming a Secret of users", () => {
  const trimmed = (fields: Readonly<Record<string, unknown>>): Secret => {
    const raw = { apiVersion: "v1", kind: "Secret", metadata: { namespace: "shop", name: "users" }, ...fields };
    const options = { strict: true, position: null, inspectKeyPair: () => BAD_KEY_PAIR };
    const result = trimObject(raw, options);
    assert.ok(result.kind === "object" && result.object.kind === "Secret", JSON.stringify(result));
    return result.object;
  };
  const base64 = (text: string | Uint8Array): string => Buffer.from(text).toString("base64");

  test("keeps what may be users, as text, and nothing of key pairs", () => {
    const long = "x".repeat(2000);
    const { values } = trimmed({
      data: { auth: base64(`jürgen:${HASH}\n100%:${HASH}\n${long}`), ann: base64(HASH), long: base64(long), bad: "%" },
      stringData: { zoe: HASH, other: long },
    });
    assert.deepEqual(values, {
      auth: `jürgen:${HASH}\n100%:${HASH}\n${long}`,
      ann: HASH,
      long: "",
      bad: "",
      zoe: HASH,
      other: "",
    });
    assert.equal(trimmed({ type: "kubernetes.io/tls", data: { auth: base64("x") } }).values, undefined);
  });

  test("a line that is no UTF-8 costs only itself", () => {
    const bytes = Buffer.concat([Buffer.from(`ann:${HASH}\n`), Buffer.from([0xff, 0x3a, 0x78]), Buffer.from("\nbö:x")]);
    assert.equal(trimmed({ data: { auth: base64(bytes) } }).values?.["auth"], `ann:${HASH}\n\ufffd\nbö:x`);
  });
});
