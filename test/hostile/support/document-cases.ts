// Harms of the form of documents: what is no YAML, no object, or not the object its kind says.

import { type Case, documentBefore, INGRESS, LAST_GOOD, NOWHERE, swap } from "./case.ts";
import type { ExpectedProblem } from "./status.ts";
import { asBefore, base64 } from "./victim.ts";

function broken(document: number, message: RegExp): ExpectedProblem {
  const where = new RegExp(`^victim\\.yaml:\\d+ \\(document ${document}\\)$`);
  return { code: "object-refused", object: "", where, field: NOWHERE, message };
}

function refused(object: string, field: RegExp, message: RegExp): ExpectedProblem {
  return { code: "object-refused", object, where: /^victim\.yaml:\d+ \(document \d\)$/, field, message };
}

/** Ten levels of ten aliases each: ten thousand million strings. */
function aliasBomb(): string {
  const levels = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"];
  for (let level = 1; level < 10; level++) {
    const alias = `*l${level - 1}`;
    levels.push(`l${level}: &l${level} [${Array<string>(10).fill(alias).join(", ")}]`);
  }
  return levels.join("\n");
}

/** Each map is the one before it and a key more, by merge keys. */
function mergeBomb(): string {
  const maps = Array.from({ length: 5_000 }, (_, index) => `- &m${index + 1} {<<: *m${index}, k${index}: 1}`);
  return ["- &m0 {x: 1}", ...maps].join("\n");
}

function unknownFields(count: number): string {
  return Array.from({ length: count }, (_, index) => `  unknown${index}: 1`).join("\n");
}

export const DOCUMENT_CASES: readonly Case[] = [
  {
    name: "bad YAML costs only its document",
    harm: documentBefore("apiVersion: v1\n kind: [Service\n}"),
    problem: broken(1, /is no YAML: .*line \d+/),
    answers: LAST_GOOD,
  },
  {
    name: "a key twice in one map",
    harm: swap("  ingressClassName: headgate\n", "  ingressClassName: headgate\n  rules: []\n"),
    problem: broken(4, /Map keys must be unique/),
    answers: LAST_GOOD,
  },
  {
    name: "aliases that unfold to thousands of millions of values",
    harm: documentBefore(aliasBomb()),
    problem: broken(1, /alias/i),
    answers: LAST_GOOD,
  },
  {
    name: "a hundred thousand open brackets",
    harm: documentBefore("[".repeat(100_000)),
    problem: broken(1, /is no YAML/),
    answers: LAST_GOOD,
  },
  {
    name: "maps that grow by merge keys, five thousand in a row",
    harm: documentBefore(mergeBomb()),
    problem: broken(1, /alias/i),
    answers: LAST_GOOD,
  },
  {
    name: "a list that contains itself",
    harm: swap("  annotations: {}", "  annotations: &a {x: *a}"),
    problem: broken(4, /cannot be read: .*circular/),
    answers: LAST_GOOD,
  },
  {
    name: "a key twice by a merge key and by hand is what YAML allows",
    harm: swap(
      "metadata: {name: victim, namespace: shop}",
      "metadata: {<<: {name: other, namespace: shop}, name: victim}",
    ),
    problem: null,
    answers: LAST_GOOD,
  },
  {
    name: "a list of half a million numbers on one line does not keep the agent from its work",
    harm: documentBefore(`a: [${"1,".repeat(500_000)}1]`),
    problem: broken(1, /has more than 300000 lines, entries and brackets of YAML/),
    answers: LAST_GOOD,
  },
  {
    name: "a text of 3 MB",
    harm: documentBefore(`a: "${"x".repeat(3_000_000)}"`),
    problem: broken(1, /has 3000005 characters, more than 2097152 of YAML/),
    answers: LAST_GOOD,
  },
  {
    name: "a chain of ten thousand certificates",
    harm: (site) => {
      const { certificate } = site.pair;
      return site.write(site.swapped(base64(certificate), base64(`${certificate}\n`.repeat(10_000))));
    },
    problem: broken(3, /has \d{7} characters, more than 2097152 of YAML/),
    answers: LAST_GOOD,
  },
  {
    name: "two hundred thousand levels in two letters each",
    harm: documentBefore("- ".repeat(200_000)),
    problem: broken(1, /is no YAML/),
    answers: LAST_GOOD,
  },
  {
    name: "a text that never ends its quote",
    harm: documentBefore(`a: "${"x\n".repeat(100_000)}`),
    problem: broken(1, /is no YAML: Missing closing/),
    answers: LAST_GOOD,
  },
  {
    name: "twenty thousand unknown fields do not keep the agent from its work",
    harm: swap("  ports: [{name: http", `${unknownFields(20_000)}\n  ports: [{name: http`),
    problem: refused("Service shop/victim", /^spec\.unknown0$/, /./),
    answers: LAST_GOOD,
  },
  {
    name: "a document that is a list",
    harm: documentBefore("- apiVersion: v1\n- kind: Service"),
    problem: broken(1, /no Kubernetes object/),
    answers: LAST_GOOD,
  },
  {
    name: "a document that is a number",
    harm: documentBefore("42"),
    problem: broken(1, /no Kubernetes object/),
    answers: LAST_GOOD,
  },
  {
    name: "a document without a kind",
    harm: documentBefore("apiVersion: v1\nmetadata: {name: nothing}"),
    problem: refused("", /^kind$/, /is missing/),
    answers: LAST_GOOD,
  },
  {
    name: "an unknown field",
    harm: swap("  rules:\n", "  rulez: []\n  rules:\n"),
    problem: refused(INGRESS, /^spec\.rulez$/, /./),
    answers: LAST_GOOD,
  },
  {
    name: "a field that reaches for the prototype of all objects",
    harm: swap("  ingressClassName: headgate\n", "  ingressClassName: headgate\n  __proto__: {rules: []}\n"),
    problem: refused(INGRESS, /^spec\.__proto__$/, /./),
    answers: LAST_GOOD,
  },
  {
    name: "a list that is a text",
    harm: swap("ports: [{name: http, port: 80, targetPort: 8080}]", 'ports: "80"'),
    problem: refused("Service shop/victim", /^spec\.ports$/, /"80"/),
    answers: LAST_GOOD,
  },
  {
    name: "a host that is a number",
    harm: swap("- host: side.example.test", "- host: 12"),
    problem: refused(INGRESS, /^spec\.rules\[1\]\.host$/, /12/),
    answers: LAST_GOOD,
  },
  {
    name: "port 0 in a Service",
    harm: swap("port: 80, targetPort", "port: 0, targetPort"),
    problem: refused("Service shop/victim", /^spec\.ports\[0\]\.port$/, /from 1 to 65535/),
    answers: LAST_GOOD,
  },
  {
    name: "port 70000 in an Ingress",
    harm: swap("port: {number: 80}", "port: {number: 70000}"),
    problem: refused(INGRESS, /^spec\.rules\[0\]\.http\.paths\[0\]\.backend\.service\.port\.number$/, /70000/),
    answers: LAST_GOOD,
  },
  {
    name: "port 70000 in an EndpointSlice",
    harm: swap("{name: http, port: 8080, protocol", "{name: http, port: 70000, protocol"),
    problem: refused("EndpointSlice shop/victim-1", /^ports\[0\]\.port$/, /70000/),
    answers: LAST_GOOD,
  },
  {
    name: "a Service whose name would be two",
    harm: swap("service: {name: victim, port: {name: http}}", "service: {name: shop/victim, port: {name: http}}"),
    problem: refused(INGRESS, /paths\[1\]\.backend\.service\.name$/, /shop\/victim/),
    answers: LAST_GOOD,
  },
  {
    name: "an API version that never was",
    harm: swap("apiVersion: networking.k8s.io/v1\n", "apiVersion: networking.k8s.io/v1alpha1\n"),
    problem: refused(INGRESS, /^apiVersion$/, /is not served/),
    answers: LAST_GOOD,
  },
  {
    name: "fields of one API version under the name of an older one",
    harm: swap("apiVersion: networking.k8s.io/v1\n", "apiVersion: extensions/v1beta1\n"),
    problem: refused(INGRESS, /backend\.service$/, /is not a known field/),
    answers: LAST_GOOD,
  },
  {
    name: "data of a Secret that is a list",
    harm: swap("data:\n", "data: []\nnodata:\n"),
    problem: refused("Secret shop/victim-tls", /^data$/, /./),
    answers: LAST_GOOD,
  },
  {
    name: "a document that is gone takes its object along, and the rest stays",
    harm: (site) => site.write(site.text().split("---\n").toSpliced(2, 1).join("---\n")),
    problem: {
      code: "secret-missing",
      object: INGRESS,
      field: /^spec\.tls\[0\]\.secretName$/,
      message: /there is no Secret shop\/victim-tls/,
    },
    answers: asBefore({ host: "served as Headgate default certificate" }),
  },
];
