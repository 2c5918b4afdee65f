import { EventEmitter } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import type { CallOptions } from "./calls.js";
import type { Client } from "./client.js";
import { clientClosed } from "./connections.js";
import { lookUp, toBoolean, toInteger, toNumber, toText } from "./convert.js";
import { errorOf, unavailable, type ConfregError } from "./errors.js";
import type { Update } from "./follow.js";
import { parseObject, type JsonObject, type JsonValue } from "./json.js";
import { LastKnownGood, type Kept } from "./last-known-good.js";
import type { Config, Position } from "./models.js";
import { toDurationMs, toSize } from "./quantity.js";
import { haveChanged, withReferences, type Files } from "./references.js";
import { Scope } from "./scope.js";
import type { Watch } from "./watch.js";

/**
 * "loading": the registry was not read yet (there may be values of the file); "ready"; "stale": the registry
 * has been away for longer than staleAfterMs, and the values are the last known.
 */
export type State = "loading" | "ready" | "stale";

export interface ProviderOptions {
  /** "default". */
  environment?: string;
  /** Merge the config over that of the environment "default". */
  resolve?: boolean;
  /** How long the registry may be away before the state is "stale": 60,000. */
  staleAfterMs?: number;
  /** Where the config has no key `db_host`, the variable PREFIX + "DB_HOST" counts. */
  envPrefix?: string;
  /**
   * Replace ${env:NAME} and ${file:PATH} in texts, each time that the config or one of the files changes. A key
   * whose reference leads nowhere is left out and told by "failure". The file with the last values keeps the
   * references.
   */
  references?: boolean;
  /** A file that keeps the last values, for a start while the registry is away. */
  lastKnownGood?: string;
}

/** What Provider.on listens to. */
export interface ProviderEvents {
  /** The values are others than before. */
  change: (values: Readonly<JsonObject>) => void;
  state: (state: State) => void;
  /** The registry, or the file with the last values, cannot be read or written; all goes on. */
  failure: (error: ConfregError) => void;
}

/** The config as of one position. */
interface Reading {
  text: string | undefined; // undefined: there are no values
  version: bigint;
  position: Position;
}

const NO_VALUES: Readonly<JsonObject> = Object.freeze({});
const FILES_MS = 1000; // between two looks at the files that are referred to
const NOWHERE: Position = { epoch: "", revision: 0n, token: "" };

/**
 * The settings of one service, which follow the registry by themselves. Getters read memory: they never wait
 * and never throw. A key that begins with "/" is an RFC 6901 pointer.
 *
 * It follows from the start on; close(), of it or of the client, ends that, and the values stay.
 */
export class Provider {
  readonly #client: Client;
  readonly #name: { serviceName: string; environment: string; resolve: boolean };
  readonly #envPrefix: string | undefined;
  readonly #references: boolean;
  readonly #lookAtFiles: NodeJS.Timeout | undefined;
  readonly #staleAfterMs: number;
  readonly #events = new EventEmitter().setMaxListeners(0);
  readonly #file: LastKnownGood | undefined;
  readonly #watch: Watch;
  readonly #read: Promise<void>; // the registry was read
  #wasRead!: () => void;
  #neverRead!: (reason: ConfregError) => void;
  #values: Readonly<JsonObject> = NO_VALUES; // replaced as a whole
  #plain: Readonly<JsonObject> = NO_VALUES; // the same with their references
  #files: Files = new Map(); // that the values have come from
  #reading: Reading = { text: undefined, version: 0n, position: NOWHERE };
  #state: State = "loading";
  #lastError: ConfregError | undefined;
  #staleTimer: NodeJS.Timeout | undefined;
  #isUnsure = false; // the stream leaves the config out, and get() says why
  #isClosed = false;

  constructor(client: Client, serviceName: string, options: ProviderOptions = {}) {
    const { environment = "default", resolve = false, lastKnownGood } = options;
    if (serviceName === "") {
      throw new TypeError("a service name is needed"); // an empty one would select all configs
    }
    this.#client = client;
    this.#name = { serviceName, environment, resolve };
    this.#envPrefix = options.envPrefix;
    this.#references = options.references ?? false;
    if (this.#references) {
      this.#lookAtFiles = setInterval(() => void this.#readFilesAgain(), FILES_MS).unref();
    }
    this.#staleAfterMs = options.staleAfterMs ?? 60_000;
    this.#read = new Promise((resolved, rejected) => {
      this.#wasRead = resolved;
      this.#neverRead = rejected;
    });
    this.#read.catch(() => undefined); // told by ready() only
    if (lastKnownGood !== undefined) {
      this.#file = new LastKnownGood(lastKnownGood, this.#name, (error) => this.#emit("failure", error));
      this.#takeKept(this.#file.read());
    }
    this.#watch = client.watch({
      selectors: [{ environment, serviceName }], latestOnly: true, resolve,
      onFailure: (error) => this.#failed(error),
      onConnected: () => this.#isUnsure ? void this.#ask() : this.#connected(),
    });
    void this.#follow();
  }

  // ---- Following ----

  async #follow(): Promise<void> {
    await this.#watch.forEach((update) => this.#takeUpdate(update));
    clearInterval(this.#lookAtFiles);
    this.#neverRead(clientClosed());
  }

  #takeUpdate({ changes, position, first, synthetic, filtered }: Update): void {
    const change = changes.filter(({ touchesHead }) => touchesHead).at(-1);
    const isMissing = change === undefined ? first || (synthetic && this.#isUnsure) : change.config === undefined;
    this.#isUnsure = isMissing && filtered;
    if (this.#isUnsure) {
      void this.#ask();
    } else if (change !== undefined || isMissing) {
      this.#takeAnswer(change?.config, position);
    }
  }

  /** What a stream leaves out may not exist, or may not be read. */
  async #ask(): Promise<void> {
    try {
      await this.refresh();
    } catch (failure) {
      if (this.#isUnsure && !this.#isClosed) {
        this.#failed(errorOf(failure));
      }
    }
  }

  #takeKept(kept: Kept | undefined): void {
    if (kept !== undefined) {
      const { text, version, position } = kept;
      this.#setValues(parseObject(text, this.#client.numbers)); // the checksum says that it is one
      this.#reading = { text, version, position: { ...NOWHERE, token: position } };
    }
  }

  #setValues(plain: Readonly<JsonObject>): void {
    this.#plain = plain;
    this.#files = new Map();
    this.#values = !this.#references ? plain : withReferences(plain, this.#files, (key, error) =>
      this.#emit("failure", unavailable(`${key} is left out: ${error.message}`, "REFERENCE_BROKEN", error)));
  }

  async #readFilesAgain(): Promise<void> {
    const files = this.#files;
    if (files.size > 0 && await haveChanged(files) && files === this.#files) {
      const before = this.#values;
      this.#setValues(this.#plain);
      if (!isDeepStrictEqual(before, this.#values)) {
        this.#emit("change", this.#values);
      }
    }
  }

  /** Of the registry. What is older than the reading, as the answer of another node may be, is left. */
  #takeAnswer(config: Config | undefined, position: Position): void {
    const before = this.#reading;
    if (before.position.epoch !== position.epoch || before.position.revision <= position.revision) {
      const text = config?.data && config.text;
      if (text === undefined || text !== before.text) {
        this.#setValues(config?.data ?? NO_VALUES);
      }
      this.#reading = { text, version: config?.version ?? 0n, position };
      if (config !== undefined && text !== undefined) {
        this.#file?.write({ text, version: config.version, position: position.token });
      }
      if (text !== before.text) {
        this.#emit("change", this.#values);
      }
    }
    this.#wasRead();
    this.#become("ready");
    this.#connected();
  }

  #connected(): void {
    this.#lastError = undefined;
    clearTimeout(this.#staleTimer);
    this.#staleTimer = undefined;
    if (this.#state === "stale") {
      this.#become("ready");
    }
  }

  #failed(error: ConfregError): void {
    this.#lastError = error;
    this.#emit("failure", error);
    if (this.#state === "ready") {
      this.#staleTimer ??= setTimeout(() => this.#become("stale"), this.#staleAfterMs).unref();
    }
  }

  #become(state: State): void {
    if (state !== this.#state) {
      this.#state = state;
      this.#emit("state", state);
    }
  }

  /** Reads the registry now. Rejects where it cannot be read; the values stay then. */
  async refresh(options: CallOptions = {}): Promise<void> {
    const { serviceName, ...name } = this.#name;
    const after = this.#reading.position;
    try {
      const { config, position } = await this.#client.getWithPosition(serviceName, { ...name, ...options, after });
      this.#takeAnswer(config, position);
    } catch (failure) {
      if (errorOf(failure).code !== "NOT_FOUND") {
        throw failure;
      }
      this.#takeAnswer(undefined, after); // which is as far as the answer is known to be
    }
  }

  /** Ends the following. Resolves when the file with the last values is written. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#watch.close();
    clearTimeout(this.#staleTimer);
    await this.#file?.written();
  }

  // ---- What it tells about itself ----

  /** What a listener throws is an uncaught exception, as of any emitter; the provider goes on. */
  on<E extends keyof ProviderEvents>(event: E, listener: ProviderEvents[E]): this {
    this.#events.on(event, listener);
    return this;
  }

  off<E extends keyof ProviderEvents>(event: E, listener: ProviderEvents[E]): this {
    this.#events.off(event, listener);
    return this;
  }

  #emit<E extends keyof ProviderEvents>(event: E, ...of: Parameters<ProviderEvents[E]>): void {
    process.nextTick(() => this.#events.emit(event, ...of));
  }

  get state(): State {
    return this.#state;
  }

  /** Why the registry cannot be read now; undefined: it can. */
  get lastError(): ConfregError | undefined {
    return this.#lastError;
  }

  /** Of the values; 0: there is no such config, or nothing was read. */
  get version(): bigint {
    return this.#reading.version;
  }

  /**
   * Resolves when the registry has been read, whether it has the config or not. Rejects at the timeout
   * (10,000 ms) with what was in the way, when the client is closed, and with the signal's reason.
   */
  async ready({ timeoutMs = 10_000, signal }: CallOptions = {}): Promise<void> {
    const scope = new Scope(signal);
    const late = delay(timeoutMs, undefined, { signal: scope.signal }).then(() => {
      throw this.#lastError ?? unavailable(`the registry was not read within ${timeoutMs} ms`, "NOT_READ");
    });
    try {
      await Promise.race([this.#read, late]);
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      scope.abort(undefined); // the timer ends
      scope.dispose();
    }
  }

  // ---- The values ----

  /** All values as of one version: keys that belong together are read from one. Not to be changed. */
  snapshot(): Readonly<JsonObject> {
    return this.#values;
  }

  #lookUp(key: string): JsonValue | undefined {
    const value = lookUp(this.#values, key);
    if (value === undefined && this.#envPrefix !== undefined) {
      return process.env[this.#envPrefix + key.toUpperCase()];
    }
    return value;
  }

  #converted<T>(key: string, convert: (value: JsonValue) => T | undefined, fallback: T): T {
    const value = this.#lookUp(key);
    return (value === undefined ? undefined : convert(value)) ?? fallback;
  }

  /** The value as it is, null included; where there is none, the fallback. */
  get(key: string, fallback?: JsonValue): JsonValue | undefined {
    const value = this.#lookUp(key);
    return value === undefined ? fallback : value;
  }

  /** A text; numbers and booleans as text. Else the fallback. */
  getString(key: string, fallback = ""): string {
    return this.#converted(key, toText, fallback);
  }

  /** Of texts, "true", "1", "yes" and "on" in any case are true, all others false; null is false. */
  getBoolean(key: string, fallback = false): boolean {
    return this.#converted(key, toBoolean, fallback);
  }

  /** A number without its fraction, or a text that is a whole number, if 53 bits hold it. Else the fallback. */
  getInteger(key: string, fallback = 0): number {
    return this.#converted(key, toInteger, fallback);
  }

  /** A number, or a text that is one. Else the fallback. */
  getNumber(key: string, fallback = 0): number {
    return this.#converted(key, toNumber, fallback);
  }

  /** Milliseconds: a number, or a text such as "250ms", "1.5s", "1h30m" (ms, s, m, h, d). Else the fallback. */
  getDurationMs(key: string, fallback = 0): number {
    return this.#converted(key, toDurationMs, fallback);
  }

  /**
   * Bytes: a number, or a text such as "64KiB", "10MB", "1.5G" (kB, MB, GB, TB are powers of 1000, all others of
   * 1024). Else the fallback.
   */
  getSize(key: string, fallback = 0): number {
    return this.#converted(key, toSize, fallback);
  }
}
