// Loaded into the process of each test file (`--import`): ends the process with 1, and says which file it was and what
// held it, when no test starts or ends for longer than one test may take (`--test-timeout`, and a quarter more, so that
// a test's own limit comes first), or when something keeps the process alive after its last test.
// A test that never gives the event loop back is out of its reach: that file is named when the lane's time is over.

import { subscribe } from "node:diagnostics_channel";
import { isMainThread } from "node:worker_threads";

// Also for a file that awaits something between two tests at its top level: node takes its tests for ended there too.
const AFTER_LAST_MS = 15_000;
const CHECK_MS = 250;
const EXIT_HELD = 1;

/** What node:test publishes of a test, by lib/internal/test_runner/test.js. */
interface TestContext {
  readonly name: string;
  readonly nesting: number;
}

function limitQuiet(file: string, testTimeoutMs: number): void {
  const quietMs = testTimeoutMs * 1.25;
  const running = new Set<TestContext>();
  let limitMs = quietMs;
  let since = performance.now();
  const heard = (nextLimitMs: number): void => {
    limitMs = nextLimitMs;
    since = performance.now();
  };
  subscribe("tracing:node.test:start", (test) => {
    running.add(test as TestContext); // node's own
    heard(quietMs);
  });
  subscribe("tracing:node.test:end", (test) => {
    const { name, nesting } = test as TestContext; // node's own
    running.delete(test as TestContext); // the same object as at the start
    heard(name === "<root>" && nesting === 0 ? Math.min(quietMs, AFTER_LAST_MS) : quietMs);
  });
  // One timer, made before any test can put a clock of its own in the place of setTimeout.
  setInterval(() => {
    if (performance.now() - since < limitMs) return;
    const tests = [...running].map(({ name }) => name).join(", ") || "none";
    const held = [...new Set(process.getActiveResourcesInfo())].join(", ");
    const silence = `no test started or ended for ${limitMs / 1000} s`;
    process.stderr.write(`${file}: ${silence}; running: ${tests}; held open by: ${held}\n`);
    process.exit(EXIT_HELD);
  }, CHECK_MS).unref();
}

const timeout = process.execArgv.findLast((argument) => argument.startsWith("--test-timeout="));
// The runner itself loads this too, without the variable.
if (process.env["NODE_TEST_CONTEXT"] !== undefined && isMainThread && timeout !== undefined) {
  limitQuiet(process.argv[1] ?? "", Number(timeout.slice("--test-timeout=".length)));
}
