// How backends read a path: each of these was a way around a guard somewhere. None of it is ours; it is the oracle
// that a strict host is held to.

type Step = (path: string) => string;

function latin1(code: number): string {
  return String.fromCharCode(code);
}

const STEPS: Readonly<Record<string, Step>> = {
  /** Once; a second time is what double decoding is. */
  decode: (path) => path.replace(/%([0-9a-f]{2})/gi, (_escape, hex: string) => latin1(Number.parseInt(hex, 16))),
  /** Windows, and WHATWG URLs. */
  backslashes: (path) => path.replaceAll("\\", "/"),
  /** Servlet containers. */
  parameters: (path) => path.replace(/;[^/]*/g, ""),
  /** C strings. */
  zero: (path) => path.replace(/\0.*$/s, ""),
  /** Whoever parses the path as a URL again. */
  fragment: (path) => path.replace(/[#?].*$/s, ""),
  /** Whoever drops tabs and line ends, as browsers do. */
  controls: (path) => path.replace(/[\u0000-\u001f\u007f]/g, ""),
  /** Decoders of UTF-8 from before 2000. */
  overlong: (path) =>
    path.replace(/[\u00c0\u00c1][\u0080-\u00bf]/g, (pair) =>
      latin1(((pair.charCodeAt(0) & 1) << 6) | (pair.charCodeAt(1) & 0x3f)),
    ),
  slashes: (path) => path.replace(/\/{2,}/g, "/"),
  dots: resolveDots,
};

function resolveDots(path: string): string {
  const kept: string[] = [];
  for (const segment of path.split("/").slice(1)) {
    if (segment === "..") kept.pop();
    else if (segment !== ".") kept.push(segment);
  }
  return `/${kept.join("/")}`;
}

/** More than these steps in a row no backend has. */
const STEPS_MAX = 5;

/** Every path that some order of the steps makes of a request's path; the path itself is one of them. */
export function readings(path: string): ReadonlySet<string> {
  const found = new Set([path]);
  let latest = [path];
  for (let step = 0; step < STEPS_MAX; step++) {
    const next = new Set<string>();
    for (const one of latest) {
      for (const read of Object.values(STEPS)) {
        const other = read(one);
        if (!found.has(other)) next.add(other);
      }
    }
    for (const one of next) found.add(one);
    latest = [...next];
  }
  return found;
}

/** Whether some backend reads the path as one under `guarded` ("/admin"). */
export function readsInto(path: string, guarded: string): string | null {
  for (const reading of readings(path)) {
    if (reading === guarded || reading.startsWith(`${guarded}/`)) return reading;
  }
  return null;
}
