// A kubeconfig as a Connection. The only file that knows @kubernetes/client-node, of which it uses only the
// kubeconfig part: the package's index loads all generated models (80 MB), so the import goes to the inner file.
// That path is no promised interface: the version is pinned and a test fails when it moves.

import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync } from "node:fs";
import type { RequestOptions } from "node:https";
import { delimiter, dirname, resolve } from "node:path";
import { KubeConfig } from "@kubernetes/client-node/dist/config.js";
import { parse } from "yaml";
import { AgentError, errorText } from "../lib/errors.ts";
import type { Connection, Credentials, TlsMaterial } from "./connection.ts";
import { field } from "./failure.ts";
import { LIMITS } from "./limits.ts";

/** Where a kubeconfig may come from, strongest first. No other place is looked at: not ~/.kube/config, no localhost. */
export interface KubeconfigChoice {
  /** --kubeconfig. */
  readonly flag: string | null;
  /** The environment variable KUBECONFIG: one file or several, joined with ":". */
  readonly environment: string | null;
  /** The configuration file's value. */
  readonly configured: string | null;
  /** null: the file's current-context. */
  readonly context: string | null;
}

interface Loaded {
  readonly config: KubeConfig;
  readonly server: URL;
  readonly tokenFile: string | null;
  readonly hasProxy: boolean;
  /** Changes when one of the kubeconfig files does. */
  readonly signature: string;
}

/**
 * Reads the kubeconfig that `choice` names. Throws AgentError kubeconfig-invalid that says what was looked for when
 * there is none, or when it has no usable server. Later changes of the files are picked up by the next request; a
 * change that cannot be read leaves the last good one in use.
 */
export function loadKubeconfig(choice: KubeconfigChoice): Connection {
  const files = chooseFiles(choice);
  return new KubeconfigConnection(files, choice.context);
}

class KubeconfigConnection implements Connection {
  readonly kubectlFlags: string;
  readonly #files: readonly string[];
  readonly #context: string | null;
  #loaded: Loaded;
  #token: string | null = null;

  constructor(files: readonly string[], context: string | null) {
    this.#files = files;
    this.#context = context;
    this.#loaded = loadFiles(files, context);
    this.kubectlFlags = files.length === 1 ? `--kubeconfig ${files[0]}` : "";
    if (context !== null) this.kubectlFlags = `${this.kubectlFlags} --context ${context}`.trim();
  }

  get server(): string {
    return this.#loaded.server.href.replace(/\/$/, "");
  }

  async credentials(): Promise<Credentials> {
    this.#reload();
    const { config, server, tokenFile, hasProxy } = this.#loaded;
    const options: RequestOptions = {};
    try {
      await withDeadline(config.applyToHTTPSOptions(options), LIMITS.credentialMsMax);
    } catch (error) {
      throw new AgentError(
        "kubeconfig-invalid",
        `cannot get a credential: ${this.#files.join(", ")}: ${errorText(error)}`,
        {
          hint: "Make the files and the exec plugin that the kubeconfig names work for the agent's user.",
          cause: error,
        },
      );
    }
    const headers = headersOf(options);
    if (tokenFile !== null) headers["authorization"] = `Bearer ${this.#readToken(tokenFile)}`;
    const tls = tlsOf(options);
    const key = keyOf(server, tls);
    return { server, headers, tls, proxyAgent: hasProxy ? agentOf(options) : null, key };
  }

  refused(): void {
    // A new KubeConfig has an empty cache of exec credentials; the token file is read for each request anyway.
    this.#reload(true);
  }

  #reload(force = false): void {
    try {
      if (!force && signatureOf(this.#files) === this.#loaded.signature) return;
      this.#loaded = loadFiles(this.#files, this.#context);
    } catch {
      // Half written or gone: the one in memory still says how to reach the server, and the next request looks again.
    }
  }

  #readToken(file: string): string {
    try {
      const token = readFileSync(file, "utf8").trim();
      if (token !== "") this.#token = token;
    } catch (error) {
      if (this.#token === null) {
        throw new AgentError("kubeconfig-invalid", `cannot read the token file: ${file}: ${errorText(error)}`, {
          hint: `Create ${file} with the token, readable by the agent's user.`,
          cause: error,
        });
      }
    }
    if (this.#token === null) {
      throw new AgentError("kubeconfig-invalid", `the token file is empty: ${file}`, {
        hint: `Write the token to ${file}.`,
      });
    }
    return this.#token;
  }
}

function chooseFiles(choice: KubeconfigChoice): readonly string[] {
  if (choice.flag !== null) return [mustExist(choice.flag, "--kubeconfig")];
  if (choice.environment !== null && choice.environment !== "") {
    const named = choice.environment.split(delimiter).filter((file) => file !== "");
    const present = named.filter((file) => existsSync(file));
    if (present.length > 0) return present.map((file) => resolve(file));
    throw missing(`KUBECONFIG names ${named.join(", ")}, which does not exist`);
  }
  if (choice.configured !== null) return [mustExist(choice.configured, "kubeconfig of the configuration file")];
  throw missing(
    "neither --kubeconfig, nor the environment variable KUBECONFIG, nor kubeconfig in the configuration file is set",
  );
}

function mustExist(file: string, origin: string): string {
  if (existsSync(file)) return resolve(file);
  throw missing(`${origin} names ${file}, which does not exist or cannot be reached by this user`);
}

function missing(why: string): AgentError {
  return new AgentError("kubeconfig-invalid", `no kubeconfig: ${why}`, {
    hint: "Say which cluster to read: `headgate run --kubeconfig FILE` (Headgate never falls back to localhost:8080).",
  });
}

function signatureOf(files: readonly string[]): string {
  return files
    .map((file) => {
      const stat = statSync(file, { bigint: true });
      return `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}`;
    })
    .join(" ");
}

function loadFiles(files: readonly string[], context: string | null): Loaded {
  const signature = signatureOf(files);
  const config = new KubeConfig();
  const tokenFiles = new Map<string, string>();
  for (const file of files) mergeFile(config, file, tokenFiles);
  const where = files.join(", ");
  if (context !== null) config.setCurrentContext(context);
  const name = config.getCurrentContext();
  const chosen = config.getContextObject(name);
  if (chosen === null) {
    const known = config.getContexts().map((known) => known.name);
    throw invalid(
      where,
      name ? `context ${name} is not in it` : "current-context is not set",
      `Choose one of: ${known.join(", ") || "none"}.`,
    );
  }
  const cluster = config.getCluster(chosen.cluster);
  if (cluster === null)
    throw invalid(where, `context ${name} names cluster ${chosen.cluster}, which is not in it`, "Add the cluster.");
  if (chosen.user && config.getUser(chosen.user) === null) {
    throw invalid(where, `context ${name} names user ${chosen.user}, which is not in it`, "Add the user.");
  }
  const server = parseServer(cluster.server, where);
  // The package refuses plain http unless told not to verify; a kubeconfig that says http: means it.
  if (server.protocol === "http:") {
    config.clusters = config.clusters.map((one) => (one === cluster ? { ...one, skipTLSVerify: true } : one));
  }
  return {
    config,
    server,
    tokenFile: tokenFiles.get(chosen.user) ?? null,
    hasProxy: Boolean(cluster.proxyUrl),
    signature,
  };
}

/** Adds one file; as with kubectl, of two entries of one name the first counts. */
function mergeFile(config: KubeConfig, file: string, tokenFiles: Map<string, string>): void {
  const one = new KubeConfig();
  let raw: unknown;
  try {
    const text = readFileSync(file, "utf8");
    raw = parse(text);
    one.loadFromString(text);
    one.makePathsAbsolute(dirname(file));
  } catch (error) {
    throw invalid(file, errorText(error), "Compare it with `kubectl config view --raw`.", error);
  }
  const users = field(raw, "users");
  for (const user of Array.isArray(users) ? users : []) {
    const name = field(user, "name");
    const tokenFile = field(field(user, "user"), "tokenFile");
    if (typeof name !== "string" || typeof tokenFile !== "string" || tokenFile === "" || config.getUser(name)) continue;
    tokenFiles.set(name, resolve(dirname(file), tokenFile));
  }
  for (const cluster of one.clusters) if (!config.getCluster(cluster.name)) config.addCluster(cluster);
  for (const user of one.users) if (!config.getUser(user.name)) config.addUser(user);
  for (const context of one.contexts) if (!config.getContextObject(context.name)) config.addContext(context);
  if (!config.getCurrentContext() && one.getCurrentContext()) config.setCurrentContext(one.getCurrentContext());
}

function parseServer(text: string, where: string): URL {
  const url = URL.parse(text);
  if (url !== null && (url.protocol === "https:" || url.protocol === "http:")) return url;
  throw invalid(where, `server ${text} is no http or https address`, "Write it as https://HOST:PORT.");
}

function invalid(where: string, why: string, hint: string, cause?: unknown): AgentError {
  return new AgentError("kubeconfig-invalid", `cannot use the kubeconfig: ${where}: ${why}`, { hint, cause });
}

function headersOf(options: RequestOptions): Record<string, string> {
  const headers: Record<string, string> = {};
  const given = options.headers;
  if (given !== undefined && !Array.isArray(given)) {
    for (const [name, value] of Object.entries(given)) headers[name.toLowerCase()] = String(value).trim();
  }
  if (typeof options.auth === "string")
    headers["authorization"] = `Basic ${Buffer.from(options.auth).toString("base64")}`;
  return headers;
}

function tlsOf(options: RequestOptions): TlsMaterial {
  return {
    ca: material(options.ca),
    cert: material(options.cert),
    key: material(options.key),
    serverName: options.servername ?? null,
    skipVerify: options.rejectUnauthorized === false,
  };
}

/** The package gives one Buffer (from files) or one string (from an exec plugin), never a list. */
function material(value: unknown): string | Buffer | null {
  return typeof value === "string" || Buffer.isBuffer(value) ? value : null;
}

function agentOf(options: RequestOptions): Credentials["proxyAgent"] {
  return typeof options.agent === "object" ? options.agent : null;
}

function keyOf(server: URL, tls: TlsMaterial): string {
  const hash = createHash("sha256");
  for (const part of [server.href, tls.ca, tls.cert, tls.key, tls.serverName, String(tls.skipVerify)]) {
    hash.update(part ?? "").update("\0");
  }
  return hash.digest("hex");
}

async function withDeadline(work: Promise<void>, ms: number): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer from the exec plugin in ${ms / 1000} s`)), ms);
  try {
    await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}
