// Waiting that ends early, without an error, when the source stops.

/** Resolves after `ms`, or as soon as `signal` is aborted. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(finish, ms);
  signal.addEventListener("abort", finish);
  function finish(): void {
    clearTimeout(timer);
    signal.removeEventListener("abort", finish);
    resolve();
  }
  if (signal.aborted) finish();
  return promise;
}
