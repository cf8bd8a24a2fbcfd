// Requests to an edge as a client makes them.

import { type Agent, type IncomingHttpHeaders, request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import type { TLSSocket } from "node:tls";

export interface Question {
  readonly address: string;
  readonly port: number;
  readonly host: string;
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  /** TLS, with `host` as server name; certificates are not verified but told. */
  readonly tls?: boolean;
  readonly agent?: Agent;
  /**
   * Asks once more, on a connection of its own, where the server has ended a kept connection just when the request was
   * sent (RFC 9112, section 9.3.1), as browsers do. A reload of nginx ends the kept connections of the old workers.
   */
  readonly retriesKept?: boolean;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** Common name of the server's certificate; "" without TLS. */
  readonly certificate: string;
}

const ANSWER_MS_MAX = 10_000;

export function ask(question: Question): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const options = {
    host: question.address,
    port: question.port,
    path: question.path ?? "/",
    method: question.method ?? "GET",
    headers: { host: question.host, ...question.headers },
    timeout: ANSWER_MS_MAX,
    agent: question.agent ?? false,
  };
  const outgoing =
    question.tls === true
      ? httpsRequest({ ...options, agent: false, servername: question.host, rejectUnauthorized: false })
      : httpRequest(options);
  outgoing.on("timeout", () => outgoing.destroy(new Error(`no answer within ${ANSWER_MS_MAX} ms`)));
  outgoing.on("error", (error) => {
    const { agent, ...fresh } = question;
    if (question.retriesKept === true && agent !== undefined && outgoing.reusedSocket) resolve(ask(fresh));
    else reject(error);
  });
  outgoing.on("response", (response) => {
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.on("error", reject);
    response.on("end", () => {
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        body: Buffer.concat(chunks).toString("utf8"),
        certificate: question.tls === true ? commonName(response.socket as TLSSocket) : "", // https gives TLS sockets
      });
    });
  });
  outgoing.end(question.body);
  return promise;
}

/** Who answered: the name of the backend, or "status 503". */
export async function whoAnswers(question: Question): Promise<string> {
  const answer = await ask(question);
  return answer.status === 200
    ? String((JSON.parse(answer.body) as { backend: unknown }).backend)
    : `status ${answer.status}`; // our backend's JSON
}

function commonName(socket: TLSSocket): string {
  const { subject } = socket.getPeerCertificate();
  return typeof subject?.CN === "string" ? subject.CN : "";
}
