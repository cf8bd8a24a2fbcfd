// `npm run build`: bundles the agent and the CLI apart (`headgate status` must not load what the agent needs).
// Out: dist/agent.js, dist/cli.js and what the CLI loads when a command needs it, with source maps, not minified: a
// stack trace from an edge must be readable.

import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { build, type BuildOptions, type Plugin } from "esbuild";

const ROOT = import.meta.dirname;

/**
 * @kubernetes/client-node's configuration reader pulls undici (13 MB of memory) and the generated clients of the API
 * (9 MB) for a client that is never made here: requests go through our own node:http connection.
 */
const UNUSED = /^(undici|\.\/gen\/index\.js)$/;

const stubUnused: Plugin = {
  name: "stub-unused",
  setup: (bundle) => {
    bundle.onResolve({ filter: UNUSED }, ({ path, importer }) =>
      path === "undici" || importer.includes("/@kubernetes/client-node/") ? { path, namespace: "stub" } : undefined,
    );
    bundle.onLoad({ filter: /.*/, namespace: "stub" }, ({ path }) => ({
      // A class for every name: extending one at load works, making one says what is wrong.
      contents: `module.exports = new Proxy({}, { get: () => class { constructor() {
        throw new Error("${path} is not in this bundle (build.ts)");
      } } });`,
      loader: "js",
    }));
  },
};

/**
 * An ES module that imports node:http gets all of its exports, and one of them, WebSocket, loads undici: 15 ms of each
 * start, and memory. Required, it gives what is asked for.
 */
const requireHttp: Plugin = {
  name: "require-http",
  setup: (bundle) => {
    bundle.onResolve({ filter: /^(node:)?http$/ }, ({ kind, namespace }) =>
      kind === "import-statement" && namespace !== "required" ? { path: "http", namespace: "required" } : undefined,
    );
    bundle.onLoad({ filter: /.*/, namespace: "required" }, () => ({
      contents: `module.exports = require("node:http");`,
      loader: "js",
    }));
  },
};

/** By name in dist/, without ending. Apart in whole: a chunk shared with the CLI would cost `status` 2 ms. */
const APART = { "cli-lint": "agent/offline/lint.ts", "cli-manifests": "agent/offline/read-given.ts" };

const loadApart: Plugin = {
  name: "load-apart",
  setup: (bundle) => {
    bundle.onResolve({ filter: /\/offline\// }, ({ path, kind }) => {
      const name = Object.entries(APART).find(([, source]) => source.endsWith(path.replace(/^\.\.\//, "/")))?.[0];
      const lazy = kind === "dynamic-import" && name !== undefined;
      return lazy ? { path: `./${name}.js`, external: true } : { errors: [{ text: `${path} is not loaded apart` }] };
    });
  },
};

/** CommonJS dependencies call require(); an ES module has none. */
const REQUIRE =
  'import { createRequire as headgateRequire } from "node:module"; const require = headgateRequire(import.meta.url);';

const escaped = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;

/**
 * One character above U+00FF makes V8 hold a whole bundle with two bytes for each character. esbuild escapes those of
 * the code; what comes through stands in comments of packages.
 */
const onlyAscii: Plugin = {
  name: "only-ascii",
  setup: (bundle) => {
    bundle.onEnd(async ({ metafile }) => {
      for (const output of Object.keys(metafile?.outputs ?? {}).filter((name) => name.endsWith(".js"))) {
        const file = join(ROOT, output);
        const text = await readFile(file, "utf8");
        await writeFile(file, text.replaceAll(/[^\0-\x7f]/g, escaped));
      }
    });
  },
};

const COMMON: BuildOptions = {
  absWorkingDir: ROOT,
  bundle: true,
  format: "esm",
  platform: "node",
  target: "node24",
  outdir: "dist",
  sourcemap: true,
  minify: false,
  legalComments: "linked",
  logLevel: "warning",
  plugins: [stubUnused, requireHttp, onlyAscii],
};

const results = await Promise.all([
  build({ ...COMMON, entryPoints: { agent: "agent/main.ts" }, banner: { js: REQUIRE }, metafile: true }),
  build({ ...COMMON, entryPoints: { cli: "agent/cli.ts" }, metafile: true, plugins: [loadApart, onlyAscii] }),
  // What `lint`, `plan` and `diff` load when they run is apart from what `status` loads.
  build({ ...COMMON, entryPoints: APART, banner: { js: REQUIRE }, metafile: true }),
]);
for (const { metafile } of results) {
  for (const [file, { bytes }] of Object.entries(metafile.outputs)) {
    if (file.endsWith(".js")) process.stdout.write(`${join(ROOT, file)} ${Math.round(bytes / 1000)} kB\n`);
  }
}
