import assert from "node:assert/strict";
import { test } from "node:test";
import type { FakeObject } from "../../fakes/kube-objects.ts";
import { ingress, secret, startRig, until } from "./harness.ts";

test("reads the Secrets that are wanted and no others", async (t) => {
  const { fake, source, store } = await startRig(t, { objects: [secret("tls"), secret("other"), secret("database")] });
  source.wantSecrets(new Set(["shop/tls"]));
  await until(() => store.names("Secret").length === 1, "the Secret");
  source.wantSecrets(new Set(["shop/tls", "shop/other"]));
  await until(() => store.names("Secret").join() === "other,tls", "both");
  const asked = fake.requests.filter(({ plural }) => plural === "secrets");
  assert.deepEqual(
    [...new Set(asked.map(({ query }) => query.get("fieldSelector")))],
    ["metadata.name=tls", "metadata.name=other"],
  );
  assert.ok(asked.every(({ namespace }) => namespace === "shop"));
});

test("follows a Secret as it is renewed, deleted and made again", async (t) => {
  const { fake, source, store } = await startRig(t, { objects: [secret("tls")] });
  source.wantSecrets(new Set(["shop/tls"]));
  const kind = (): string | undefined => {
    const found = store.objects.get("Secret/shop/tls");
    return found?.kind === "Secret" ? found.keyPair.kind : undefined;
  };
  await until(() => kind() === "good", "the key pair");
  fake.put(secret("tls", { "tls.crt": "nonsense", "tls.key": "KEY" }));
  await until(() => kind() === "bad", "the broken key pair");
  fake.delete("secrets", "shop", "tls");
  await until(() => kind() === undefined, "gone");
  fake.put(secret("tls"));
  await until(() => kind() === "good", "back");
});

test("tells a wanted Secret that does not exist as deleted, so that none is remembered from before", async (t) => {
  const { source, store } = await startRig(t);
  source.wantSecrets(new Set(["shop/none"]));
  const gone = { kind: "delete", ref: { kind: "Secret", namespace: "shop", name: "none" }, byList: true };
  await until(
    () => store.batches.flat().some((change) => JSON.stringify(change) === JSON.stringify(gone)),
    "the deletion",
  );
});

test("forgets a Secret that nobody names any more, and ends its watch", async (t) => {
  const { fake, source, store } = await startRig(t, { objects: [secret("tls"), secret("other")] });
  source.wantSecrets(new Set(["shop/tls", "shop/other"]));
  await until(() => store.names("Secret").length === 2, "both");
  source.wantSecrets(new Set(["shop/other"]));
  await until(() => store.names("Secret").join() === "other", "one is forgotten");
  await until(() => fake.watching("secrets") === 1, "its watch has ended");
});

test("a Secret that is dropped and wanted again at once stays", async (t) => {
  const { source, store } = await startRig(t, { objects: [secret("tls")] });
  source.wantSecrets(new Set(["shop/tls"]));
  await until(() => store.names("Secret").length === 1, "the Secret");
  const before = store.batches.length;
  source.wantSecrets(new Set());
  source.wantSecrets(new Set(["shop/tls"]));
  await until(
    () =>
      store.batches
        .slice(before)
        .flat()
        .some((change) => change.kind === "put"),
    "read again",
  );
  const after = store.batches.slice(before).flat();
  assert.equal(
    after.some((change) => change.kind === "delete"),
    false,
  );
});

test("is synced only when the Secrets wanted by then have been answered", async (t) => {
  const { fake, source, store } = await startRig(t, {
    objects: [ingress("a"), secret("tls")],
    prepare: (fake) => fake.faults.add({ plural: "secrets", action: { kind: "slow", ms: 100 } }),
  });
  source.wantSecrets(new Set(["shop/tls", "shop/none"]));
  await until(() => source.state().synced, "synced");
  assert.deepEqual(store.names("Secret"), ["tls"]);
  fake.faults.clear();
});

for (const watchList of ["on", "error-event"] as const) {
  test(`reads three hundred Secrets a few at a time (WatchList ${watchList})`, async (t) => {
    const names = Array.from({ length: 300 }, (_, index) => `tls-${index}`);
    let most = 0;
    const { fake, source, store } = await startRig(t, {
      fake: { watchList },
      objects: names.map((name) => secret(name)),
      limits: { secretStartsMax: 8, quietMsMax: 60_000 },
    });
    const first = new Set(["list", "watch"]);
    fake.faults.add({
      plural: "secrets",
      when: ({ verb, query }) => {
        const opening = first.has(verb) && !query.has("resourceVersion");
        if (opening)
          most = Math.max(
            most,
            fake.requests.filter((one) => one.plural === "secrets" && !one.query.has("resourceVersion")).length -
              store.names("Secret").length,
          );
        return false;
      },
      action: { kind: "hang" },
    });
    source.wantSecrets(new Set(names.map((name) => `shop/${name}`)));
    await until(() => store.names("Secret").length === 300, "all of them");
    // With the fall-back each of the first few asks twice.
    assert.ok(most <= 16, `${most} at one time`);
    fake.put(secret("tls-7", { "tls.crt": "nonsense", "tls.key": "KEY" }));
    await until(() => JSON.stringify(store.objects.get("Secret/shop/tls-7")).includes("bad"), "the change of one");
    assert.deepEqual(source.state().troubles, []);
  });
}

test("reads the ConfigMaps that are wanted in the same way", async (t) => {
  const settings = (name: string): FakeObject => ({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name, namespace: "shop" },
    data: { "ssl-redirect": "false" },
  });
  const { fake, source, store } = await startRig(t, { objects: [settings("edge"), settings("other")] });
  source.wantConfigMaps(new Set(["shop/edge"]));
  await until(() => store.names("ConfigMap").join() === "edge", "the ConfigMap");
  fake.delete("configmaps", "shop", "edge");
  await until(() => store.names("ConfigMap").length === 0, "gone");
  source.wantConfigMaps(new Set());
  await until(() => fake.watching("configmaps") === 0, "its watch has ended");
});
