import { setTimeout as delay } from "node:timers/promises";
import type { ClientReadableStream, Metadata } from "@grpc/grpc-js";
import { Backoff } from "./backoff.js";
import type { Connection, Connections } from "./connections.js";
import { errorOf, unavailable, type ConfregError } from "./errors.js";
import type { Follower, Update } from "./follow.js";
import type { Numbers } from "./json.js";
import { RegistryServiceService, WatchRequest, WatchResponse, WatchResponseKind } from "./proto.js";
import type { Position as Header } from "./proto.js";
import { losesPosition, Reader, type Unit } from "./reader.js";
import { coversAll, union, type FullSelector } from "./selection.js";

/** One that a line tells what its follower makes of the stream. It calls nothing of the line from these. */
export interface Member {
  readonly follower: Follower;
  /** Of several changes of a config that wait, only the newest. */
  readonly latestOnly: boolean;
  /** False: it takes no more for now, and has left the line. */
  take(update: Update): boolean;
  /** The stream was lost; all goes on by itself. */
  interrupted(error: ConfregError): void;
  /** The server answers, at first and after each interruption. */
  connected(): void;
}

export interface LineOptions {
  connections: Connections;
  resolve: boolean;
  numbers: Numbers;
  maxWatchBytes: number;
  /** The server is asked for a sign of life this often, in ms. */
  progressMs: number;
  /** The stream is given up after this time without one. */
  silenceMs: number;
}

/** What a line tells. The members may be changed from these. */
export interface LineEvents {
  fed(line: Line, kind: Unit["kind"]): void;
  failed(line: Line, error: ConfregError): void;
  /** It took no more. */
  left(member: Member): void;
}

interface Received {
  response: WatchResponse;
  bytes: number;
}

function open(connection: Connection, request: WatchRequest, metadata: Metadata): ClientReadableStream<Received> {
  const { path, requestSerialize, responseDeserialize } = RegistryServiceService.watch;
  return connection.channel.makeServerStreamRequest<WatchRequest, Received>(path, requestSerialize,
    (encoded) => ({ response: responseDeserialize(encoded), bytes: encoded.length }), request, metadata);
}

/**
 * A stream that goes on for ever, and those who hear it: it selects what any of them does. It runs while it
 * has members.
 *
 * All members are as of its position. Some can be ahead: one who joins, or who was told before the line has
 * gone back for another. Each member's follower leaves out what it knows.
 */
export class Line {
  readonly #options: LineOptions;
  readonly #events: LineEvents;
  readonly #members = new Set<Member>();
  readonly #backoff = new Backoff();
  #position: Header | undefined; // of the last unit; undefined: begin with a snapshot
  #filtered: boolean | undefined; // as of the position; undefined: not known
  #selection: readonly FullSelector[] = []; // of the last request
  #conflates = false; // so does it
  #attempt = new AbortController(); // at a stream, or the wait before one
  #isOpen = false; // the request of this attempt was made
  #isRunning = false;
  #isAtOnce = false; // this attempt was made without a wait, as a position was lost

  constructor(options: LineOptions, events: LineEvents) {
    this.#options = options;
    this.#events = events;
  }

  get members(): ReadonlySet<Member> {
    return this.#members;
  }

  get position(): Header | undefined {
    return this.#position;
  }

  get filtered(): boolean | undefined {
    return this.#filtered;
  }

  /** Whether one who begins with a snapshot can be added without disturbing the others. */
  get isBeforeSnapshot(): boolean {
    return !this.#isOpen && this.#position === undefined;
  }

  /** To a line without members, or before its snapshot. It begins at the member's position. */
  add(member: Member): void {
    if (this.#members.size === 0) {
      this.#position = member.follower.position;
      this.#filtered = undefined;
    }
    this.#members.add(member);
    this.#run();
  }

  /**
   * Adds members that have followed another line to its position. The stream is opened again where it does
   * not have all that they need.
   */
  merge(members: readonly Member[], position: Header | undefined, filtered: boolean | undefined): void {
    const isAlone = this.#members.size === 0;
    const fits = !isAlone && this.#fits(members, position);
    members.forEach((member) => this.#members.add(member));
    if (isAlone) {
      this.#position = position;
      this.#filtered = filtered;
      this.#run();
    } else if (!fits) {
      this.#filtered = this.#filtered === undefined || filtered === undefined ? undefined
        : this.#filtered || filtered;
      this.#goBackTo(position);
      this.#reopen();
    }
  }

  #fits(members: readonly Member[], position: Header | undefined): boolean {
    const isAhead = position !== undefined && this.#position?.epoch === position.epoch &&
      this.#position.revision <= position.revision;
    return this.#isOpen && isAhead && (!this.#conflates || members.every(({ latestOnly }) => latestOnly)) &&
      coversAll(this.#selection, members.flatMap(({ follower }) => follower.selectors));
  }

  /** Of two logs neither position is of use: a snapshot is. */
  #goBackTo(position: Header | undefined): void {
    if (position === undefined || this.#position?.epoch !== position.epoch) {
      this.#position = undefined;
    } else if (position.revision < this.#position.revision) {
      this.#position = position;
    }
  }

  /** Ends with the last one. */
  remove(member: Member): void {
    if (this.#members.delete(member) && this.#members.size === 0) {
      this.#attempt.abort();
    }
  }

  /** Without members: it ends. */
  clear(): Member[] {
    const members = [...this.#members];
    this.#members.clear();
    this.#attempt.abort();
    return members;
  }

  /** The next stream is opened at once, if one is open: a wait goes on. */
  #reopen(): void {
    if (this.#isOpen) {
      this.#attempt.abort();
    }
  }

  #run(): void {
    if (!this.#isRunning) {
      this.#isRunning = true;
      this.#backoff.reset();
      void this.#runAll();
    }
  }

  /** The end is in the turn that finds no members: a member that is added later starts the line again. */
  async #runAll(): Promise<void> {
    while (this.#members.size > 0) {
      const { signal } = this.#attempt = new AbortController();
      try {
        await this.#stream(signal);
      } catch (failure) {
        this.#isOpen = false;
        if (!signal.aborted) {
          await this.#interrupted(errorOf(failure), signal);
        }
      }
    }
    this.#isRunning = false;
  }

  async #interrupted(error: ConfregError, signal: AbortSignal): Promise<void> {
    const isLost = losesPosition(error) && this.#position !== undefined;
    if (isLost) {
      this.#position = undefined;
      this.#members.forEach(({ follower }) => follower.forgetPosition());
    }
    // A server that takes each position away is not asked for snapshots without a pause.
    this.#isAtOnce = isLost && !this.#isAtOnce;
    this.#events.failed(this, error);
    if (!this.#isAtOnce) {
      await delay(this.#backoff.next(error.retryAfterMs), undefined, { signal }).catch(() => undefined);
    }
  }

  #request(): WatchRequest {
    const members = [...this.#members];
    const selection = union(members.flatMap(({ follower }) => follower.selectors));
    if (this.#position === undefined || !coversAll(selection, this.#selection)) {
      this.#filtered = undefined; // of fewer configs it can be another, with the same rights
    }
    this.#selection = selection;
    this.#conflates = members.every(({ latestOnly }) => latestOnly);
    const { progressMs, resolve } = this.#options;
    return WatchRequest.fromPartial({
      selectors: selection.map(({ environment, serviceName, prefix }) =>
        ({ environment, serviceName, serviceNamePrefix: prefix })),
      includeSnapshot: this.#position === undefined,
      resumeAfter: this.#position,
      progressInterval: { seconds: Math.floor(progressMs / 1000), nanos: (progressMs % 1000) * 1e6 },
      conflate: this.#conflates,
      resolve,
      includeLarge: true,
    });
  }

  /** One stream. Throws when it has ended, in any way. */
  async #stream(signal: AbortSignal): Promise<never> {
    const { connections, numbers, maxWatchBytes } = this.#options;
    const metadata = await connections.metadata();
    const connection = await connections.take();
    try {
      signal.throwIfAborted();
      this.#isOpen = true;
      const request = this.#request();
      const reader = new Reader(
        { snapshot: request.includeSnapshot, filtered: this.#filtered, numbers, maxWatchBytes });
      return await this.#follow(open(connection, request, metadata), reader, signal);
    } catch (failure) {
      const error = errorOf(failure);
      if (!signal.aborted) {
        connections.failed(connection, error);
      }
      throw error;
    } finally {
      connection.release();
    }
  }

  async #follow(stream: ClientReadableStream<Received>, reader: Reader, signal: AbortSignal): Promise<never> {
    const { silenceMs } = this.#options;
    const cancel = (): void => stream.cancel();
    const silent = new AbortController();
    const silence = setTimeout(() => silent.abort(), silenceMs);
    silent.signal.addEventListener("abort", cancel);
    signal.addEventListener("abort", cancel);
    try {
      for await (const received of stream as AsyncIterable<Received>) {
        signal.throwIfAborted(); // of what comes behind, the next stream has the rest
        silence.refresh();
        this.#take(received, reader);
      }
      throw unavailable("the server has ended the stream", "");
    } catch (error) {
      throw silent.signal.aborted ? unavailable(`the server was silent for ${silenceMs} ms`, "SILENT") : error;
    } finally {
      clearTimeout(silence);
      signal.removeEventListener("abort", cancel);
      stream.on("error", () => undefined).cancel(); // leaving the loop does not end the call
    }
  }

  #take({ response, bytes }: Received, reader: Reader): void {
    const isFirst = reader.isUnread;
    const unit = reader.read(response, bytes);
    if (isFirst) {
      this.#members.forEach((member) => member.connected());
    }
    if (response.kind !== WatchResponseKind.WATCH_RESPONSE_KIND_STARTED) {
      this.#backoff.reset();
    }
    if (unit !== undefined) {
      this.#feed(unit);
    }
  }

  #feed(unit: Unit): void {
    for (const member of this.#members) {
      const update = member.follower.take(unit);
      if (update !== undefined && !member.take(update)) {
        this.remove(member);
        this.#events.left(member);
      }
    }
    this.#position = unit.header.revision > 0n ? unit.header : undefined;
    this.#filtered = unit.filtered;
    this.#events.fed(this, unit.kind);
  }
}
