import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type AppliedDocument,
  documentId,
  type DocumentsInput,
  planDocuments,
} from "../../../agent/plan/plan-documents.ts";
import type { DocumentKind, RenderedDocument } from "../../../agent/render/documents.ts";

const KINDS: readonly DocumentKind[] = ["server_name", "host", "route", "certificate", "backend"];

function wanted(kind: DocumentKind, key = "a", text = "{}"): RenderedDocument {
  return { kind, key, text };
}
function applied(kind: DocumentKind, key = "a", text: string | null = "{}"): AppliedDocument {
  return { kind, key, generation: 1, text };
}
function input(
  want: readonly RenderedDocument[],
  have: readonly AppliedDocument[],
  more: Partial<DocumentsInput> = {},
): DocumentsInput {
  const ids = new Set([...want, ...have].map(documentId));
  return {
    ids,
    wanted: new Map(want.map((document) => [documentId(document), document])),
    applied: new Map(have.map((document) => [documentId(document), document])),
    retiring: new Map(),
    refused: new Map(),
    generation: 7,
    now: 1000,
    graceMs: 100,
    ...more,
  };
}

test("pushes what is named before what names it", () => {
  const { lines } = planDocuments(
    input(
      KINDS.map((kind) => wanted(kind)),
      [],
    ),
  );
  assert.deepEqual(
    lines.map((line) => line.kind),
    ["backend", "certificate", "route", "host", "server_name"],
  );
  assert.ok(lines.every((line) => line.generation === 7));
});

test("deletes what names others at once, and what was named after its grace, in reverse order", () => {
  const have = KINDS.map((kind) => applied(kind));
  const first = planDocuments(input([], have));
  assert.deepEqual(
    first.lines.map((line) => [line.kind, line.text]),
    [
      ["server_name", null],
      ["host", null],
    ],
  );
  const retiring = new Map([...first.retiring].filter(([, due]) => due !== null)) as ReadonlyMap<string, number>; // nulls are filtered
  assert.deepEqual([...retiring.values()], [1100, 1100, 1100]);
  const rest = have.filter((document) => document.kind !== "host" && document.kind !== "server_name");
  assert.deepEqual(planDocuments(input([], rest, { retiring, now: 1099 })).lines, []);
  assert.deepEqual(
    planDocuments(input([], rest, { retiring, now: 1100 })).lines.map((line) => line.kind),
    ["route", "certificate", "backend"],
  );
});

test("puts come before deletions, so that a host has left a route before the route goes", () => {
  const { lines } = planDocuments(
    input([wanted("host", "h", "new")], [applied("host", "h", "old"), applied("route", "r")], {
      retiring: new Map([["route:r", 1]]),
    }),
  );
  assert.deepEqual(
    lines.map((line) => line.kind),
    ["host", "route"],
  );
});

test("sends nothing for equal text, and ends the grace of what is wanted again", () => {
  const plan = planDocuments(
    input([wanted("backend")], [applied("backend")], { retiring: new Map([["backend:a", 5]]) }),
  );
  assert.deepEqual(plan.lines, []);
  assert.deepEqual([...plan.retiring], [["backend:a", null]]);
});

test("sends again what is held with unknown text", () => {
  assert.equal(planDocuments(input([wanted("backend")], [applied("backend", "a", null)])).lines.length, 1);
});

test("does not repeat a text that was refused, but sends its successor", () => {
  const refused = new Map([["backend:a", "bad"]]);
  assert.deepEqual(planDocuments(input([wanted("backend", "a", "bad")], [], { refused })).lines, []);
  assert.equal(planDocuments(input([wanted("backend", "a", "good")], [], { refused })).lines.length, 1);
});

test("looks at the named documents alone", () => {
  const plan = planDocuments(input([wanted("backend")], [applied("route")], { ids: [] }));
  assert.deepEqual(plan.lines, []);
});
