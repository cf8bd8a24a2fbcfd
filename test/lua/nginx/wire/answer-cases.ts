// Answers of a backend that means harm, or is broken: what its client gets, and that it is nobody else's.

export interface AnswerCase {
  readonly name: string;
  /** The raw answer to GET /evil; latin1. */
  readonly answer: string;
  /** null: the connection is closed without an answer. */
  readonly status: number | null;
  /** Headers of the request to /evil. */
  readonly asks?: readonly string[];
  /** What the client gets as body; not judged unless told. */
  readonly body?: string;
  /** Headers that the client gets ("name: value"), and names that it does not. */
  readonly has?: readonly string[];
  readonly hasNot?: readonly string[];
  readonly debian12?: true;
}

function answer(headers: readonly string[], body = "own words"): string {
  return `HTTP/1.1 200 OK\r\n${headers.map((line) => `${line}\r\n`).join("")}Content-Length: ${body.length}\r\n\r\n${body}`;
}

function passed(name: string, headers: readonly string[], hasNot: readonly string[] = []): AnswerCase {
  return { name, answer: answer(headers), status: 200, body: "own words", hasNot };
}

function broken(name: string, text: string): AnswerCase {
  return { name, answer: text, status: 502, body: "502 bad gateway\n" };
}

/** nginx takes it for HTTP/0.9, and cannot answer a client of HTTP/1 any more; one of HTTP/2 gets 502. */
function garbage(name: string, text: string): AnswerCase {
  return { name, answer: text, status: null };
}

export const SWITCH = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n";
const NEXT = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";

const ACCEL: readonly AnswerCase[] = [
  ...["X-Accel-Redirect: /http", "X-Accel-Redirect: @not_found", "X-Accel-Redirect: /.headgate/variables"].map(
    (line) => ({
      ...passed(line, [line], ["x-accel-redirect"]),
      debian12: true as const,
    }),
  ),
  passed("X-Accel-Limit-Rate: 1", ["X-Accel-Limit-Rate: 1"], ["x-accel-limit-rate"]),
  passed("X-Accel-Expires: 0", ["X-Accel-Expires: 0"], ["x-accel-expires"]),
  {
    ...passed("X-Accel-Charset: evil", ["Content-Type: text/html", "X-Accel-Charset: evil"], ["x-accel-charset"]),
    has: ["content-type: text/html"],
  },
  passed("X-Accel-Buffering, which only costs the backend itself", ["X-Accel-Buffering: no"], ["x-accel-buffering"]),
];

const FRAMING: readonly AnswerCase[] = [
  broken("two lengths", answer(["Content-Length: 3"])),
  broken("a length and an encoding", answer(["Transfer-Encoding: chunked"])),
  broken("a length that is none", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
  broken("an encoding that nobody knows", "HTTP/1.1 200 OK\r\nTransfer-Encoding: x\r\n\r\nhello"),
  { ...garbage("no HTTP", "hello\r\n\r\n"), debian12: true },
  { ...garbage("an answer behind an empty line", `\r\n${NEXT}${NEXT}`), debian12: true },
  garbage("a status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"),
  broken("a NUL in a header", answer(["X-A: b\0c"])),
  broken("a CR in a header", answer(["X-A: b\rX-C: d"])),
  broken("a header that goes on in a second line", answer(["X-A: b", " c"])),
  broken("headers of 100 kB", answer([`X-A: ${"a".repeat(100_000)}`])),
  { ...broken("101 that nobody asked for", `${SWITCH}${NEXT}`), debian12: true },
  { ...broken("101 after an upgrade that is not forwarded", SWITCH), asks: ["Upgrade: h2c"] },
  { ...broken("early hints before the answer", `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${NEXT}`), debian12: true },
  broken(
    "early hints with a length",
    `HTTP/1.1 103 Early Hints\r\nContent-Length: ${NEXT.length}\r\n\r\n${NEXT}${NEXT}`,
  ),
  broken("100 that nobody waits for", `HTTP/1.1 100 Continue\r\n\r\n${NEXT}`),
  { name: "an answer behind the answer is dropped", answer: answer([]) + NEXT, status: 200, body: "own words" },
  {
    name: "an answer behind one without a body",
    answer: `HTTP/1.1 204 No Content\r\n\r\n${NEXT}`,
    status: 204,
    body: "",
  },
  {
    name: "an answer behind a 304",
    answer: `HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n${NEXT}`,
    status: 304,
    body: "",
  },
  {
    name: "an answer behind the last chunk",
    answer: `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nown\r\n0\r\n\r\n${NEXT}`,
    status: 200,
    body: "3\r\nown\r\n0\r\n\r\n",
  },
];

const OF_THE_CONNECTION: readonly AnswerCase[] = [
  passed("Connection", ["Connection: Upgrade"]),
  passed("Keep-Alive", ["Keep-Alive: timeout=1", "Connection: keep-alive"], ["keep-alive"]),
  passed("Connection cannot remove what passes", ["X-A: b", "Connection: X-A"]),
  passed("Server and Date are nginx's", ["Server: Evil/1.0", "Date: yesterday"]),
];

export const ANSWER_CASES: readonly AnswerCase[] = [...ACCEL, ...FRAMING, ...OF_THE_CONNECTION];
