import type { ConfregError } from "./errors.js";
import { Follower, type Update } from "./follow.js";
import type { Member } from "./line.js";
import { Scope } from "./scope.js";
import { fullSelectors, MOST_SELECTORS, type Selector } from "./selection.js";
import type { Place, SharedWatches } from "./shared.js";
import { Updates } from "./updates.js";

export interface WatchOptions {
  /** A config is watched if at least one of them fits, of at most 128; none: all configs. */
  selectors?: readonly Selector[];
  /** Of several changes of a config that wait, only the newest. */
  latestOnly?: boolean;
  /** Configs merged over those of the environment "default"; every selector names an environment. */
  resolve?: boolean;
  /** The position (or its token) of an update that was handled: without the first state. */
  resumeAfter?: { token: string } | string;
  /**
   * Called with each error that interrupts the watch, which then goes on by itself. What this and the
   * next one throw is an uncaught exception, as of any event listener.
   */
  onFailure?: (error: ConfregError) => void;
  /** Called when it is connected, at first and after each failure. */
  onConnected?: () => void;
  /** Ends the iteration with the signal's reason. */
  signal?: AbortSignal;
}

const CLOSED = Symbol("closed");

function tell<T extends unknown[]>(listener: ((...of: T) => void) | undefined, ...of: T): void {
  if (listener !== undefined) {
    process.nextTick(listener, ...of);
  }
}

/**
 * An iterator over updates: first the state of all that is selected, then every change, each once and in
 * order, for ever. It goes on over restarts of the server and whatever it answers, and ends by close(), by
 * leaving the loop, or by the signal.
 *
 * All watches of a client share a stream. One whose reader is slow delays no other: at most 16 MiB wait for
 * it, and the server keeps the rest.
 */
export class Watch implements AsyncIterableIterator<Update> {
  readonly #shared: SharedWatches;
  readonly #member: Member;
  readonly #resolve: boolean;
  readonly #scope: Scope;
  readonly #onClosed: (watch: Watch) => void;
  readonly #waiting: Updates;
  readonly #updates = this.#run();
  #isConnected = false;
  #hasLeft = false; // the shared stream, as too much waits
  #wake: (() => void) | undefined; // somebody waits for an update or the end

  /** Made by Client.watch. TypeError: the options cannot be meant. */
  constructor(shared: SharedWatches, options: WatchOptions, onClosed: (watch: Watch) => void) {
    const { latestOnly = false, resolve = false, resumeAfter, onFailure, onConnected } = options;
    const selectors = fullSelectors(options.selectors);
    if (selectors.length > MOST_SELECTORS) {
      throw new TypeError(`a watch has at most ${MOST_SELECTORS} selectors`);
    }
    if (resolve && selectors.some(({ environment }) => environment === "")) {
      throw new TypeError("with resolve every selector names an environment");
    }
    this.#shared = shared;
    this.#resolve = resolve;
    this.#scope = new Scope(options.signal);
    this.#onClosed = onClosed;
    this.#waiting = new Updates(latestOnly);
    this.#member = {
      follower: new Follower(selectors, latestOnly, typeof resumeAfter === "object" ? resumeAfter.token : resumeAfter),
      latestOnly,
      take: (update) => this.#take(update),
      interrupted: (error) => {
        this.#isConnected = false;
        tell(onFailure, error);
      },
      connected: () => {
        if (!this.#isConnected) { // it may have moved to another stream
          this.#isConnected = true;
          tell(onConnected);
        }
      },
    };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Update, undefined>> {
    return this.#updates.next();
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    await this.close();
    return { done: true, value: undefined };
  }

  /** Calls back with each update until the watch ends; waits for a promise. Rejects with what it throws. */
  async forEach(callback: (update: Update) => void | Promise<void>): Promise<void> {
    for await (const update of this) {
      await callback(update);
    }
  }

  /** Ends the iteration, wherever it is. */
  async close(): Promise<void> {
    this.#scope.abort(CLOSED);
    this.#end();
    await this.#updates.return(undefined);
  }

  #end(): void {
    this.#scope.dispose();
    this.#onClosed(this);
  }

  #take(update: Update): boolean {
    this.#hasLeft = !this.#waiting.push(update);
    this.#wake?.();
    return !this.#hasLeft;
  }

  async *#run(): AsyncGenerator<Update, undefined, undefined> {
    const { signal } = this.#scope;
    let place: Place | undefined;
    try {
      signal.throwIfAborted();
      place = this.#shared.join(this.#member, this.#resolve);
      for (;;) {
        const update = await this.#nextUpdate(signal);
        if (this.#hasLeft && this.#waiting.isEmpty) {
          this.#hasLeft = false;
          place.rejoin();
        }
        yield update;
      }
    } catch (error) {
      if (error !== CLOSED) {
        throw error;
      }
      return undefined;
    } finally {
      place?.leave();
      this.#end();
    }
  }

  /** Throws what the scope was aborted with. */
  async #nextUpdate(signal: AbortSignal): Promise<Update> {
    for (;;) {
      signal.throwIfAborted();
      const update = this.#waiting.shift();
      if (update !== undefined) {
        return update;
      }
      await this.#news(signal);
    }
  }

  #news(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = this.#wake = (): void => {
        this.#wake = undefined;
        signal.removeEventListener("abort", wake);
        resolve();
      };
      signal.addEventListener("abort", wake);
    });
  }
}
