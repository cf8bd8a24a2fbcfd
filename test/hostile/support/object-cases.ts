// Harms inside objects that are well formed: hosts, paths, ports, addresses, annotations.

import { type Case, INGRESS, LAST_GOOD, sideHost, sidePath, swap } from "./case.ts";
import type { ExpectedProblem } from "./status.ts";
import { allBy, asBefore } from "./victim.ts";

const SIDE_PATH = /^spec\.rules\[0\]\.http\.paths\[1\]\.path$/;
const NO_SIDE = asBefore({ side: "status 404" });
const NO_SIDE_HOST = asBefore({ host: "status 404 as victim" });
const CLOSED = { ...allBy("status 503"), host: "status 503 as victim" };

function badPath(message: RegExp): ExpectedProblem {
  return { code: "path-invalid", object: INGRESS, where: /^victim\.yaml:\d+/, field: SIDE_PATH, message };
}

function badHost(message: RegExp): ExpectedProblem {
  const field = /^spec\.rules\[1\]\.host$/;
  return { code: "host-invalid", object: INGRESS, where: /^victim\.yaml:\d+/, field, message };
}

const PATH_CASES: readonly Case[] = [
  {
    name: "a path with a control character costs that path alone",
    harm: sidePath('"/side\\u0001"'),
    problem: badPath(/control character/),
    answers: NO_SIDE,
  },
  {
    name: "a path with a zero byte",
    harm: sidePath('"/side\\0"'),
    problem: badPath(/control character/),
    answers: NO_SIDE,
  },
  {
    name: "a path with a line break and a directive of nginx",
    harm: sidePath('"/side;\\n}\\nreturn 200;\\n#"'),
    problem: badPath(/control character/),
    answers: NO_SIDE,
  },
  {
    name: "a path with an escaped line break",
    harm: sidePath('"/side%0d%0aSet-Cookie:x"'),
    problem: badPath(/control character/),
    answers: NO_SIDE,
  },
  {
    name: "a path that tries to end a quoted text of nginx",
    harm: sidePath(`'/side"; return 200; #'`),
    problem: badPath(/"\?" or "#"/),
    answers: NO_SIDE,
  },
  {
    name: "a path with ../",
    harm: sidePath('"/side/../good"'),
    problem: badPath(/segment "\." or "\.\."/),
    answers: NO_SIDE,
  },
  {
    name: "a path without its slash",
    harm: sidePath("side"),
    problem: badPath(/does not start with a slash/),
    answers: NO_SIDE,
  },
  { name: "an empty path", harm: sidePath('""'), problem: badPath(/is empty/), answers: NO_SIDE },
  {
    name: "a path of 100,000 bytes",
    harm: sidePath(`"/${"a".repeat(100_000)}"`),
    problem: badPath(/longer than 4096 bytes/),
    answers: NO_SIDE,
  },
];

const HOST_CASES: readonly Case[] = [
  {
    name: "a host of 300 bytes costs that rule alone",
    harm: sideHost(`${"a".repeat(60)}.`.repeat(5).slice(0, 300)),
    problem: badHost(/has 300 characters, more than 253/),
    answers: NO_SIDE_HOST,
  },
  {
    name: "a host with a space",
    harm: sideHost('"side example.test"'),
    problem: badHost(/characters that no host name has/),
    answers: NO_SIDE_HOST,
  },
  {
    name: "a host with an underscore",
    harm: sideHost("side_host.example.test"),
    problem: badHost(/side_host/),
    answers: NO_SIDE_HOST,
  },
  {
    name: "a host with a quote",
    harm: sideHost(`'side".example.test'`),
    problem: badHost(/side/),
    answers: NO_SIDE_HOST,
  },
  {
    name: "a host that names a variable of nginx",
    harm: sideHost('"${dollar}.example.test"'),
    problem: badHost(/dollar/),
    answers: NO_SIDE_HOST,
  },
  { name: "a host that is $host", harm: sideHost('"$host"'), problem: badHost(/\$host/), answers: NO_SIDE_HOST },
  {
    name: "a host that moves the cursor of a terminal",
    harm: sideHost('"side\\e[2J.example.test"'),
    problem: badHost(/side/),
    answers: NO_SIDE_HOST,
  },
  {
    name: "a host with a port",
    harm: sideHost('"side.example.test:80"'),
    problem: badHost(/has a port/),
    answers: NO_SIDE_HOST,
  },
];

const SERVICE_CASES: readonly Case[] = [
  {
    name: "a Service without the port that a path names",
    harm: swap("port: {name: http}", "port: {name: metrics}"),
    problem: {
      code: "service-port-missing",
      object: INGRESS,
      field: /^spec\.rules\[0\]\.http\.paths\[1\]\.backend\.service\.port$/,
      message: /Service shop\/victim has no TCP port metrics/,
    },
    answers: asBefore({ side: "status 503" }),
  },
  {
    name: "a Service that is not there",
    harm: swap("service: {name: victim, port: {name: http}}", "service: {name: ghost, port: {number: 80}}"),
    problem: {
      code: "service-missing",
      object: INGRESS,
      field: /paths\[1\]\.backend\.service\.name$/,
      message: /shop\/ghost/,
    },
    answers: asBefore({ side: "status 503" }),
  },
  {
    name: "a Service that points to another name",
    harm: swap(
      "spec:\n  ports: [{name: http",
      "spec:\n  type: ExternalName\n  externalName: localhost\n  ports: [{name: http",
    ),
    problem: {
      code: "backend-unsupported",
      object: "Service shop/victim",
      field: /^spec\.type$/,
      message: /ExternalName/,
    },
    answers: CLOSED,
  },
  {
    name: "two Ingresses that claim one path: the first has it, the second is told",
    harm: async (site) => {
      const thief = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: thief, namespace: other}
spec:
  ingressClassName: headgate
  rules:
    - host: victim.example.test
      http: {paths: [{path: /good, pathType: Prefix, backend: {service: {name: thief, port: {number: 80}}}}]}
`;
      await site.edge.writeManifest("zz-thief.yaml", thief);
    },
    problem: {
      code: "path-conflict",
      object: "Ingress other/thief",
      where: /^zz-thief\.yaml/,
      field: /^spec\.rules\[0\]\.http\.paths\[0\]/,
      message: /already served by the older Ingress shop\/victim/,
    },
    answers: LAST_GOOD,
  },
];

const REFUSED_ADDRESSES = [
  ["0.0.0.0", /is unspecified/],
  ["240.0.0.1", /reserved/],
  ["127.0.0.1", /loopback/],
  ["169.254.169.254", /link-local/],
  ["224.0.0.1", /multicast/],
  ["not-an-ip", /is no IP address/],
  ['"10.0.0.1; drop"', /is no IP address/],
] as const;

const ENDPOINT_CASES: readonly Case[] = [
  ...REFUSED_ADDRESSES.map(([address, message]): Case => ({
    name: `endpoint ${address} gets no request, the one beside it gets all`,
    harm: swap("endpoints: [", `endpoints: [{addresses: [${address}]}, `),
    problem: {
      code: "endpoint-refused",
      object: "EndpointSlice shop/victim-1",
      where: /^victim\.yaml:\d+/,
      field: /^endpoints\[0\]\.addresses\[0\]$/,
      message,
    },
    answers: LAST_GOOD,
  })),
  {
    name: "an endpoint that is this very machine gets no request",
    harm: (site) => {
      const { address } = site.edge.machine;
      return site.write(site.swapped(`addresses: [${site.served.address}]`, `addresses: [${address}]`));
    },
    problem: {
      code: "endpoint-refused",
      object: "EndpointSlice shop/victim-1",
      field: /^endpoints\[0\]\.addresses\[0\]$/,
      message: /is an address of this machine/,
    },
    answers: CLOSED,
  },
];

const NGINX = "nginx.ingress.kubernetes.io";
function annotated(annotation: string): Case["harm"] {
  return swap("annotations: {}", `annotations: {${annotation}}`);
}

const LONG = "a".repeat(300_000);

const ANNOTATION_CASES: readonly Case[] = [
  {
    name: "an annotation of 300 kB that restricts closes its routes",
    harm: annotated(`${NGINX}/auth-snippet: "${LONG}"`),
    problem: {
      code: "annotation-closes-route",
      object: INGRESS,
      field: /auth-snippet/,
      message: /restricts access/,
    },
    answers: CLOSED,
  },
  {
    name: "an allow list of 300 kB that is none closes its routes",
    harm: annotated(`${NGINX}/whitelist-source-range: "${LONG}"`),
    problem: {
      code: "annotation-closes-route",
      object: INGRESS,
      field: /whitelist-source-range/,
      message: /./,
    },
    answers: CLOSED,
  },
  {
    name: "a name of an annotation of 300 kB",
    harm: annotated(`"${NGINX}/${LONG}": x`),
    problem: {
      code: "annotation-unsupported",
      object: INGRESS,
      field: /annotations.*aaaa…"\]$/,
      message: /is not known/,
    },
    answers: LAST_GOOD,
  },
  {
    name: "300 kB that are meant for somebody else",
    harm: annotated(`example.test/notes: "${LONG}"`),
    problem: null,
    answers: LAST_GOOD,
  },
  {
    name: "an annotation with line breaks and a directive closes its routes",
    harm: annotated(`${NGINX}/configuration-snippet: "a;\\n}\\nreturn 200;"`),
    problem: {
      code: "annotation-closes-route",
      object: INGRESS,
      field: /^metadata\.annotations\["nginx\.ingress\.kubernetes\.io\/configuration-snippet"\]$/,
      message: /restricts access and is not served yet/,
    },
    answers: CLOSED,
  },
  {
    name: "an annotation whose key has a line break",
    harm: annotated(`"${NGINX}/auth-url\\n": "http://auth.example.test/"`),
    problem: {
      code: "annotation-closes-route",
      object: INGRESS,
      field: /annotations\["nginx.*auth-url/,
      message: /restricts access/,
    },
    answers: CLOSED,
  },
  {
    name: "a restricting annotation that is misspelt closes its routes",
    harm: annotated(`${NGINX}/whitelist-source-rnage: 10.0.0.0/8`),
    problem: {
      code: "annotation-closes-route",
      object: INGRESS,
      field: /whitelist-source-rnage/,
      message: /looks like whitelist-source-range, which restricts access/,
    },
    answers: CLOSED,
  },
];

export const OBJECT_CASES: readonly Case[] = [
  ...PATH_CASES,
  ...HOST_CASES,
  ...SERVICE_CASES,
  ...ENDPOINT_CASES,
  ...ANNOTATION_CASES,
];
