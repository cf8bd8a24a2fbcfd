// What must not outlive the test process: each thing that was made registers how it is taken away at once,
// synchronously, when the process ends before its `stop()` ran (a failed test, SIGINT, SIGTERM, a timeout).

const pending = new Set<() => void>(); // one process has one end: this is its list
const installed = new Set<"handlers">();

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Runs `undo` (synchronous) when the process ends. The function returned takes it off the list. */
export function onProcessEnd(undo: () => void): () => void {
  install();
  pending.add(undo);
  return () => {
    pending.delete(undo);
  };
}

function install(): void {
  if (installed.has("handlers")) return;
  installed.add("handlers");
  process.on("exit", undoAll);
  for (const signal of SIGNALS) {
    process.once(signal, () => {
      undoAll();
      process.kill(process.pid, signal); // the handler is gone (once): this time it ends the process as the sender meant
    });
  }
}

function undoAll(): void {
  for (const undo of [...pending].reverse()) {
    pending.delete(undo);
    try {
      undo();
    } catch {
      // The process is ending: whatever is left is found by the next run's sweep.
    }
  }
}
