// Real servers for the tests: CONFREG_BUILD is the folder of their programs.

import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Client, type Change, type Update } from "confreg";

export const BUILD = process.env.CONFREG_BUILD ?? "build";
export const PATIENCE_MS = 60_000;

const base = mkdtempSync(join(tmpdir(), "confreg-node-"));
process.once("exit", () => rmSync(base, { recursive: true, force: true }));

/** A folder that goes away with the process. */
export function folder(): string {
  return mkdtempSync(join(base, "f"));
}

/** Waits until the condition holds. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const deadline = Date.now() + PATIENCE_MS; !await condition();) {
    await delay(5);
    if (Date.now() > deadline) {
      throw new Error(`within ${PATIENCE_MS} ms not: ${what}`);
    }
  }
}

/** A port that is free: nobody gets it again at once. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return port;
}

/** A service name that no other test uses. */
export function newName(): string {
  return `service-${randomUUID()}`;
}

/** Names and data of changes, for comparing. */
export function told({ changes }: Update): [kind: string, serviceName: string, data: unknown][] {
  return changes.map(({ kind, serviceName, config }: Change) => [kind, serviceName, config?.data]);
}

export function openssl(...of: string[]): void {
  execFileSync("openssl", of, { stdio: "pipe" });
}

/** confregd on a SQLite store, which stays over restarts. */
export class Server {
  readonly folder = folder();
  readonly address: string;
  readonly #options: string[];
  #process: ChildProcess | undefined;

  private constructor(address: string, options: string[]) {
    this.address = address;
    this.#options = options;
  }

  static async make(...options: string[]): Promise<Server> {
    return new Server(`127.0.0.1:${await freePort()}`, options);
  }

  static async start(...options: string[]): Promise<Server> {
    const server = await Server.make(...options);
    await server.start();
    return server;
  }

  get log(): string {
    return readFileSync(join(this.folder, "log"), "utf8");
  }

  async start(): Promise<void> {
    const log = openSync(join(this.folder, "log"), "w");
    const started = this.#process = spawn(join(BUILD, "confregd"),
      ["--listen", this.address, "--store", `sqlite:${join(this.folder, "confreg.db")}`, ...this.#options],
      { stdio: ["ignore", log, log] });
    await until(() => this.log.includes("event=listening") || started.exitCode !== null, "confregd listens");
    if (started.exitCode !== null) {
      throw new Error(this.log);
    }
  }

  /** Ends with the last test. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    const process = this.#process;
    if (process?.exitCode === null && process.signalCode === null) {
      process.kill("SIGCONT");
      process.kill(signal);
      await once(process, "exit");
    }
  }

  send(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }

  client(options: ConstructorParameters<typeof Client>[1] = {}): Client {
    return new Client(this.address, { timeoutMs: PATIENCE_MS, ...options });
  }
}
