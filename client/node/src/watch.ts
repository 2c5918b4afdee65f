import { setTimeout as delay } from "node:timers/promises";
import type { ClientReadableStream } from "@grpc/grpc-js";
import { Backoff } from "./backoff.js";
import type { Connections } from "./connections.js";
import { ConfregError, errorOf, unavailable } from "./errors.js";
import { Follower, type FollowOptions, type Selector, type Update } from "./follow.js";
import { RegistryServiceService, type WatchRequest, type WatchResponse } from "./proto.js";
import { Scope } from "./scope.js";

export interface WatchOptions {
  /** A config is watched if at least one of them fits; none: all configs. */
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

/** A stream is given up after this many intervals of progress marks without one. */
const SILENT_INTERVALS = 4;

/** What a repeat does not mend: the request itself is refused. */
const FINAL = "INVALID_ARGUMENT";

const CLOSED = Symbol("closed");

/**
 * An iterator over updates: first the state of all that is selected, then every change, each once and in
 * order, for ever. It goes on over restarts of the server and ends by close(), by leaving the loop, or by
 * the signal. A request that the server refuses as wrong (INVALID_ARGUMENT) is thrown.
 *
 * The server is read no faster than the iteration goes.
 */
export class Watch implements AsyncIterableIterator<Update> {
  readonly #connections: Connections;
  readonly #follower: Follower;
  readonly #options: WatchOptions;
  readonly #silenceMs: number;
  readonly #scope: Scope;
  readonly #onClosed: (watch: Watch) => void;
  readonly #backoff = new Backoff();
  readonly #updates = this.#run();

  /** Made by Client.watch. */
  constructor(connections: Connections, options: WatchOptions, follow: FollowOptions,
    onClosed: (watch: Watch) => void) {
    this.#connections = connections;
    this.#follower = new Follower(follow);
    this.#options = options;
    this.#silenceMs = SILENT_INTERVALS * follow.progressMs;
    this.#scope = new Scope(options.signal);
    this.#onClosed = onClosed;
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

  async *#run(): AsyncGenerator<Update, undefined, undefined> {
    try {
      for (;;) {
        try {
          yield* this.#stream();
        } catch (failure) {
          this.#throwIfEnded();
          await this.#interrupted(errorOf(failure));
        }
      }
    } catch (error) {
      if (error !== CLOSED) {
        throw error;
      }
      return undefined;
    } finally {
      this.#end();
    }
  }

  /** Throws what the scope was aborted with. */
  #throwIfEnded(): void {
    this.#scope.signal.throwIfAborted();
  }

  #tell<T extends unknown[]>(listener: ((...of: T) => void) | undefined, ...of: T): void {
    if (listener !== undefined) {
      process.nextTick(listener, ...of);
    }
  }

  async #interrupted(error: ConfregError): Promise<void> {
    if (error.code === FINAL) {
      throw error;
    }
    this.#follower.interrupted(error);
    this.#tell(this.#options.onFailure, error);
    await delay(this.#backoff.next(error.retryAfterMs), undefined, { signal: this.#scope.signal })
      .catch(() => this.#throwIfEnded());
  }

  /** The updates of one stream. Throws when the stream has ended, in any way. */
  async *#stream(): AsyncGenerator<Update, never, undefined> {
    this.#throwIfEnded();
    const metadata = await this.#connections.metadata();
    const connection = await this.#connections.take();
    const { path, requestSerialize, responseDeserialize } = RegistryServiceService.watch;
    const stream = connection.channel.makeServerStreamRequest<WatchRequest, WatchResponse>(
      path, requestSerialize, responseDeserialize, this.#follower.request(), metadata);
    const cancel = (): void => stream.cancel();
    this.#scope.signal.addEventListener("abort", cancel);
    try {
      this.#throwIfEnded();
      yield* this.#follow(stream);
      throw unavailable("the server has ended the stream", "");
    } catch (failure) {
      const error = errorOf(failure);
      this.#connections.failed(connection, error);
      throw error;
    } finally {
      this.#scope.signal.removeEventListener("abort", cancel);
      stream.on("error", () => undefined).cancel(); // leaving the loop does not end the call
      connection.release();
    }
  }

  async *#follow(stream: ClientReadableStream<WatchResponse>): AsyncGenerator<Update, void, undefined> {
    const responses: AsyncIterator<WatchResponse> = stream[Symbol.asyncIterator]();
    for (let connected = false; ; connected = true) {
      const { done, value } = await this.#nextOf(responses, stream);
      if (done) {
        return;
      }
      if (!connected) {
        this.#tell(this.#options.onConnected);
      }
      const update = this.#follower.feed(value);
      if (update !== undefined) {
        this.#backoff.reset();
        yield update;
        this.#throwIfEnded();
      }
    }
  }

  /** The next response. A server that stays silent is one that is away. */
  async #nextOf(responses: AsyncIterator<WatchResponse>,
    stream: ClientReadableStream<WatchResponse>): Promise<IteratorResult<WatchResponse, undefined>> {
    const silence = new AbortController();
    silence.signal.addEventListener("abort", () => stream.cancel());
    const timer = setTimeout(() => silence.abort(), this.#silenceMs);
    try {
      return await responses.next();
    } catch (error) {
      throw silence.signal.aborted ? unavailable(`the server was silent for ${this.#silenceMs} ms`, "SILENT") : error;
    } finally {
      clearTimeout(timer);
    }
  }
}
