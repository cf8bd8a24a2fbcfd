// Who may import whom inside agent/. The picture is in ARCHITECTURE.md; this table is the law, and each rule says why.
// To extend it: a new folder gets a row. A row names folders ("lib"), files ("lib/errors"), or only the types of either
// ("type store/source"). A room may always import itself.

export interface Room {
  readonly may: readonly string[];
  readonly because: string;
}

const EVERYTHING = ["*"];

export const ROOMS = {
  main: { may: EVERYTHING, because: "the composition root; nobody imports it" },
  edge: { may: EVERYTHING, because: "part of the composition root: it puts the rooms together and decides nothing" },
  cli: { may: ["commands", "lib"], because: "the table of commands; status must not load what the agent needs" },
  commands: {
    may: ["api/wire", "config/settings", "offline", "lib"],
    because:
      "the CLI talks to the agent's socket; it shares wire types and settings with it, and loads offline/ when it runs",
  },
  offline: {
    may: [
      "trial",
      "loop/builders",
      "loop/edge-builder",
      "manifests",
      "type store/source",
      "objects",
      "model",
      "config",
      "certificates",
      "api/problem-status",
      "api/wire",
      "lib",
    ],
    because: "the CLI's work on manifests without an agent; in a bundle of its own, so that status stays fast",
  },
  trial: {
    may: [
      "objects",
      "model",
      "plan",
      "type render",
      "store",
      "loop/builders",
      "loop/edge-builder",
      "api/problem-status",
      "api/shown-document",
      "api/wire",
    ],
    because: "tries a change with the parts of the loop on a store of its own: no lane, counter or source is at hand",
  },
  config: {
    may: ["lib", "type model/input", "type render/traffic"],
    because: "settings are read before anything else exists; what the model and nginx's files get is typed once",
  },
  objects: {
    may: ["lib/errors", "lib/hash", "lib/spelling"],
    because: "pure: raw object to trimmed object, the same for both sources",
  },
  model: {
    may: ["objects", "type store/source", "lib/errors", "lib/hash", "lib/spelling"],
    because: "pure: objects to meaning; of the store it knows only what a refused object looks like",
  },
  render: {
    may: ["type model", "type objects", "lib/hash", "lib/host-port"],
    because: "pure: meaning to files and documents",
  },
  plan: {
    may: ["model", "render", "lib/differing", "lib/errors", "lib/hash"],
    because: "pure: applied and desired to steps",
  },
  store: { may: ["objects", "model", "lib"], because: "holds objects and says what a change dirties, by model's keys" },
  kubernetes: {
    may: ["objects", "type store/source", "type config/config", "lib"],
    because: "the only room that knows HTTP to a cluster; the rest of the agent cannot tell the sources apart",
  },
  manifests: {
    may: ["objects", "type store/source", "type config/config", "lib"],
    because: "the only room that knows manifest files; the rest of the agent cannot tell the sources apart",
  },
  apply: {
    may: ["plan", "type render", "type nginx/data-plane", "health", "lib"],
    because: "takes steps as they are; nginx is behind a port, so that a test can stand there",
  },
  nginx: {
    may: ["plan", "render", "type config/config", "type certificates", "health", "lib"],
    because: "the only room that knows nginx",
  },
  snapshot: { may: ["store", "render", "plan", "objects", "lib"], because: "what is on disk, of one generation" },
  loop: {
    may: ["objects", "model", "render", "plan", "store", "apply", "snapshot", "health", "lib", "type nginx/data-plane"],
    because: "when to run; what runs is in the pure rooms and in apply",
  },
  health: { may: ["type api/wire", "lib"], because: "everybody reports to it, so it knows nobody" },
  api: {
    may: ["health", "type store", "type model", "objects", "type render", "type config/config", "lib"],
    because: "shows what is; everything it shows is given to it as a function",
  },
  certificates: { may: ["type objects", "lib"], because: "the only room that looks into certificates and keys" },
  dns: {
    may: ["type model/input", "lib"],
    because: "the only room that asks DNS; what may be asked, and what an address may be, the model decides",
  },
  check: {
    may: ["type model", "type nginx/push-client", "lib"],
    because: "asks peers whether they are well; what follows from it the data plane decides",
  },
  reach: { may: ["lib/host-port"], because: "tries addresses; whose they are, and what follows, others know" },
  lib: { may: [], because: "small facts of the machine and the language, without our domain" },
} as const satisfies Record<string, Room>;

/** Rooms whose files compile without Node's types (tsconfig.pure.json). */
export const PURE_ROOMS = ["objects", "model", "render", "plan"];

/** Packages and the only files that may import them: each dependency has one door. */
export const PACKAGES: Readonly<Record<string, { readonly only: readonly string[]; readonly because: string }>> = {
  "@kubernetes/client-node": {
    only: ["kubernetes/kubeconfig"],
    because: "its index loads 80 MB; one adapter, one path",
  },
  execa: { only: ["lib/exec", "nginx/nginx-process"], because: "commands have limits; nginx is a child that lives on" },
  nunjucks: { only: ["nginx/templates"], because: "its output is strict only behind our filters" },
  "prom-client": { only: ["api/metrics"], because: "metrics are made in one place" },
  selfsigned: { only: ["certificates/self-signed"], because: "slow to load, rarely needed" },
  winston: { only: ["lib/log"], because: "everybody else gets a logger" },
  yaml: {
    only: ["config/config-file", "manifests/parse-manifest", "kubernetes/kubeconfig"],
    because: "text from outside is parsed at the edge",
  },
  "zod/mini": {
    only: ["nginx", "snapshot", "config", "manifests", "kubernetes", "dns"],
    because: "checked once, at the edge",
  },
};
