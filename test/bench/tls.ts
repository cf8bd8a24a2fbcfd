// What TLS costs nginx's workers against a hand-written static nginx.conf: HTTP/2 on one hot host, and full handshakes
// over a thousand certificates where the static side has one. The full form alone: it makes two thousand certificates.

import { generateKeyPair } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { makePair, type TestPair } from "../e2e/support/certificates.ts";
import { Edge, HTTPS_PORT } from "../e2e/support/edge.ts";
import { eventually } from "../e2e/support/eventually.ts";
import { ingress, service, slice, tlsSecret } from "../e2e/support/objects.ts";
import { noErrorGate, ratioFigures } from "./support/compared.ts";
import { moveTo, REST_CPU, WORKER_CPU } from "./support/cpus.ts";
import { dataPlaneState } from "./support/data-plane-state.ts";
import { type Rendered, startHandWritten } from "./support/hand-written.ts";
import { PEER_PORT, peersConfiguration } from "./support/many-hosts.ts";
import { runOnManifests } from "./support/manifests-edge.ts";
import { startNginx } from "./support/nginx-machine.ts";
import { childrenOf } from "./support/process.ts";
import { runToEnd } from "./support/programs.ts";
import { atLeast, type Figure, type Gate, type Result, rounded, told } from "./support/result.ts";
import { compare, type Compared, type Load } from "./support/side-by-side.ts";
import { median } from "./support/statistics.ts";

const CERTIFICATES = 1000;
/** Keys of RSA are slow to make; a handshake does not see that another certificate has the same. */
const RSA_KEYS = 20;
const PER_FILE = 100;
const SERVICE = "web";
const STATIC_PORT = 8081;
const ROUNDS = 9;
const SECONDS = 4;
const AT_A_TIME = 16;
const SESSIONS = 8;
const STREAMS = 8;
const HOT_TARGET = 1.22;
const P99_TARGET = 1.2;
const RATE_MIN = 0.95;

/** Of both, in the order in which they are measured. */
const TYPES = [
  { type: "rsa", said: "RSA 2048", staticPort: 8443 },
  { type: "ec", said: "ECDSA P-256", staticPort: 8444 },
] as const;
type KeyType = (typeof TYPES)[number]["type"];

interface Workers {
  readonly edge: Edge;
  readonly ourWorkers: readonly number[];
  readonly theirWorkers: readonly number[];
}

export async function measureTls(options: { readonly short: boolean }, done: (result: Result) => void): Promise<void> {
  if (options.short) return;
  const edge = await Edge.prepare({ name: "tls", args: [], portFlags: false });
  try {
    const workers = await start(edge);
    done(await hotHost(workers));
    done(await handshakes(workers));
  } finally {
    await edge.stop();
  }
}

async function start(edge: Edge): Promise<Workers> {
  const { machine } = edge;
  const peers = await startNginx(machine, "peers", peersConfiguration(machine), PEER_PORT);
  await moveTo(machine, REST_CPU, await childrenOf(machine, peers.pidInside));
  const first = await writeHosts(edge);
  await runOnManifests(edge, { workerProcesses: 1 });
  await edge.ready(60_000);
  for (const { type } of TYPES) {
    const host = nameOf(type, CERTIFICATES - 1);
    const served = async (): Promise<boolean> => (await edge.ask({ host, tls: true })).certificate === host;
    await eventually(`the last host with ${type} serves`, () => served().catch(() => false), 60_000);
  }
  for (const { type } of TYPES) {
    await writeFile(join(machine.scratch, `${type}.crt`), first[type].certificate);
    await writeFile(join(machine.scratch, `${type}.key`), first[type].key);
  }
  const theirWorkers = await startHandWritten(edge, "static-tls", {
    count: 1,
    layout: "shared",
    port: STATIC_PORT,
    workers: 1,
    connections: 16_384,
    keepalive: 64,
    more: (rendered) => TYPES.map((one) => secureServer(edge, rendered, one)).join("\n"),
  });
  const ourWorkers = (await dataPlaneState(edge)).workers.map(({ pid }) => pid);
  await moveTo(machine, WORKER_CPU, ourWorkers);
  return { edge, ourWorkers, theirWorkers };
}

function nameOf(type: KeyType, index: number): string {
  return `${type}-${index}.example.test`;
}

/** Manifests of all hosts. Returns the pairs of the first ones. */
async function writeHosts(edge: Edge): Promise<Record<KeyType, TestPair>> {
  const rsa = await Promise.all(Array.from({ length: RSA_KEYS }, newRsaKey));
  const peers = Array.from({ length: 5 }, (_, at) => ({ address: `127.1.0.${1 + at}`, port: PEER_PORT }));
  const first: Partial<Record<KeyType, TestPair>> = {};
  await edge.writeManifest("service.yaml", text([service(SERVICE), slice(SERVICE, peers)]));
  for (const { type } of TYPES) {
    for (let from = 0; from < CERTIFICATES; from += PER_FILE) {
      const objects = [];
      for (let index = from; index < from + PER_FILE; index++) {
        const host = nameOf(type, index);
        const name = `${type}-${index}`;
        const pair = await makePair(host, [host], type === "rsa" ? rsa[index % RSA_KEYS] : undefined);
        first[type] ??= pair;
        const tls = [{ hosts: [host], secretName: name }];
        objects.push(tlsSecret(name, pair));
        objects.push(ingress({ name, host, className: null, paths: [{ path: "/", service: SERVICE }], tls }));
      }
      await edge.writeManifest(`${type}-${from}.yaml`, text(objects));
    }
  }
  const { rsa: one, ec: other } = first;
  if (one === undefined || other === undefined) throw new Error("no certificate was made");
  return { rsa: one, ec: other };
}

function newRsaKey(): Promise<{ publicKey: string; privateKey: string }> {
  return promisify(generateKeyPair)("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
}

function text(objects: readonly object[]): string {
  return objects.map((object) => `${JSON.stringify(object)}\n---\n`).join(""); // JSON is YAML
}

/** One server block with one certificate, and the ciphers, protocols and sessions of the rendered configuration. */
function secureServer(edge: Edge, rendered: Rendered, { type, staticPort }: (typeof TYPES)[number]): string {
  const { address, scratch } = edge.machine;
  return `    server {
        listen 127.0.0.1:${staticPort} ssl;
        listen ${address}:${staticPort} ssl;
        http2 on;
        server_name _;
        ssl_certificate ${join(scratch, `${type}.crt`)};
        ssl_certificate_key ${join(scratch, `${type}.key`)};
${rendered.tls.map((line) => `        ${line}`).join("\n")}
        add_header Strict-Transport-Security "max-age=31536000; includeSubDomains" always;
        location / {
            proxy_pass http://upstream_0;
${rendered.location.map((line) => `            ${line}`).join("\n")}
        }
    }`;
}

type LoadOf = (port: number, ours: boolean) => () => Promise<Load>;

function measure({ edge, ourWorkers, theirWorkers }: Workers, load: LoadOf, staticPort: number): Promise<Compared> {
  const { machine } = edge;
  const ours = { machine, workers: ourWorkers, load: load(HTTPS_PORT, true) };
  const theirs = { machine, workers: theirWorkers, load: load(staticPort, false) };
  return compare({ ours, theirs }, ROUNDS);
}

async function hotHost(workers: Workers): Promise<Result> {
  const { machine } = workers.edge;
  const { type, staticPort } = TYPES[1];
  const load: LoadOf = (port) => {
    const args = ["127.0.0.1", port, nameOf(type, 0), SESSIONS, STREAMS, SECONDS];
    return async () => (await runToEnd(machine, "h2", args, SECONDS + 60)) as Load; // written by the program
  };
  const name = "one hot host, HTTP/2 over TLS";
  const compared = await measure(workers, load, staticPort);
  return {
    title: "CPU per request, HTTP/2 over TLS",
    method: [
      `As above, with one host and ${SESSIONS} connections of ${STREAMS} streams to each side; clients are Node's, in ${ROUNDS} rounds of ${SECONDS} s.`,
      "Both sides have an ECDSA P-256 certificate, and the same protocols, ciphers and session cache.",
    ],
    figures: ratioFigures(name, compared, { target: HOT_TARGET, p99Target: P99_TARGET }),
    gates: [noErrorGate(`answers, ${name}`, compared)],
  };
}

async function handshakes(workers: Workers): Promise<Result> {
  const { machine } = workers.edge;
  const figures: Figure[] = [];
  const gates: Gate[] = [];
  for (const { type, said, staticPort } of TYPES) {
    const load: LoadOf = (port, ours) => {
      const args = ["127.0.0.1", port, type, ours ? CERTIFICATES : 0, AT_A_TIME, SECONDS];
      return async () => (await runToEnd(machine, "handshake", args, SECONDS + 60)) as Load; // written by the program
    };
    const name = `${CERTIFICATES} certificates of ${said}`;
    await runToEnd(machine, "handshake", ["127.0.0.1", HTTPS_PORT, type, CERTIFICATES, AT_A_TIME, 0], 120);
    const compared = await measure(workers, load, staticPort);
    const rates = compared.ratios.map((ratio) => 1 / ratio);
    figures.push(
      atLeast(`full handshakes for a second of processor, ${name} ÷ static nginx with one`, median(rates), RATE_MIN, {
        unit: "",
        runs: [`ratios ${rates.map(rounded).join(", ")}`],
      }),
      told(
        `CPU per full handshake, ${name}`,
        `${rounded(median(compared.ours))} µs ours, ${rounded(median(compared.theirs))} µs static`,
      ),
    );
    gates.push(noErrorGate(`handshakes, ${name}`, compared));
  }
  return {
    title: "Full handshakes over a thousand certificates",
    method: [
      `Our side has ${CERTIFICATES} hosts with a certificate each (those of RSA have ${RSA_KEYS} different keys), asked for in turn; the static side has one.`,
      `Both are asked at the same time, ${AT_A_TIME} handshakes at a time, none of which offers a session, in ${ROUNDS} rounds of ${SECONDS} s.`,
      "Each certificate was asked for once before. A handshake that gives another host's certificate is an error.",
    ],
    figures,
    gates,
  };
}
