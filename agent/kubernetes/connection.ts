// How to reach one API server: what the client needs of a kubeconfig, and all it knows of one.

import type { Agent } from "node:http";

/** What one request needs. Made anew for each request, so rotated files are seen by the next one. */
export interface Credentials {
  readonly server: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsMaterial;
  /** Set where the kubeconfig names a proxy: connections go through this agent. */
  readonly proxyAgent: Agent | null;
  /** Equal as long as connections may be shared: server, tls and proxy have not changed. */
  readonly key: string;
}

export interface TlsMaterial {
  readonly ca: string | Buffer | null;
  readonly cert: string | Buffer | null;
  readonly key: string | Buffer | null;
  readonly serverName: string | null;
  readonly skipVerify: boolean;
}

export interface Connection {
  /** "https://10.0.0.1:6443", as the kubeconfig says it now. */
  readonly server: string;
  /** What to put behind kubectl in a hint: "--kubeconfig /etc/headgate/kubeconfig". */
  readonly kubectlFlags: string;
  /** Throws AgentError kubeconfig-invalid when a file is missing or an exec plugin fails. */
  credentials(): Promise<Credentials>;
  /** The server answered 401: what is cached (an exec plugin's answer) is to be asked for again. */
  refused(): void;
}
