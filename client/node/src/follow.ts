import { isDeepStrictEqual } from "node:util";
import { ConfregError, type Code } from "./errors.js";
import type { Numbers } from "./json.js";
import { changeOf, configOf, positionOf, type Change, type Config, type Position } from "./models.js";
import { WatchRequest, WatchResponseKind, type Position as Header, type WatchResponse } from "./proto.js";

/** Selects the configs whose names fit all members that are given. */
export interface Selector {
  environment?: string;
  serviceName?: string;
  /** What the service name begins with. */
  prefix?: string;
}

/**
 * What a watch delivers: the changes of whole commits; or the first state of all that is selected (first
 * is true; config of each change is what is there, and kind says how it was made).
 */
export interface Update {
  readonly changes: readonly Change[];
  /** Kept, it resumes another watch after this update. */
  readonly position: Position;
  readonly first: boolean;
  /** The changes were found by comparing with a new snapshot, as the steps between are gone. */
  readonly synthetic: boolean;
}

export interface FollowOptions {
  selectors: readonly Selector[];
  latestOnly: boolean;
  resolve: boolean;
  resumeAfter: string | undefined;
  progressMs: number;
  numbers: Numbers;
}

/** The codes that say that the position is of no use any more. */
const LOST = new Set<Code>(["OUT_OF_RANGE", "FAILED_PRECONDITION"]);

/** What was delivered is not all: a snapshot has to be taken. */
class CopyOutdated extends ConfregError {
  constructor(message: string, reason: string) {
    super(message, { code: "DATA_LOSS", reason });
  }
}

type Copy = Map<string, Config>;

const keyOf = (of: { environment: string; serviceName: string }): string => `${of.environment}/${of.serviceName}`;

/**
 * The state machine of a watch: responses go in, whole updates come out. It does no I/O.
 *
 * It resumes after the last response that it handled. Where that is impossible (a compaction, another
 * epoch, a response that is missing, other rights), it starts with a snapshot again and compares: the
 * changes in between are then told as synthetic ones, deletes included.
 */
export class Follower {
  readonly #options: FollowOptions;
  #resumeAfter: Partial<Header> | undefined; // undefined: begin with a snapshot
  #copy: Copy | undefined; // undefined: not known
  #epoch = ""; // of the copy
  #snapshot: Copy = new Map();
  #changes: Change[] = []; // of a commit that is not complete
  #delivered = 0n; // revision of the newest event or snapshot of this stream
  #filtered: boolean | undefined; // of the copy

  constructor(options: FollowOptions) {
    this.#options = options;
    if (options.resumeAfter !== undefined) {
      this.#resumeAfter = { token: options.resumeAfter };
    }
  }

  /** The request of the next stream. */
  request(): WatchRequest {
    this.#snapshot = new Map();
    this.#changes = [];
    this.#delivered = 0n;
    if (this.#resumeAfter === undefined) {
      this.#filtered = undefined;
    }
    const { selectors, latestOnly, resolve, progressMs } = this.#options;
    return WatchRequest.fromPartial({
      selectors: selectors.map(({ environment, serviceName, prefix }) => ({
        environment: environment ?? "", serviceName: serviceName ?? "", serviceNamePrefix: prefix ?? "",
      })),
      includeSnapshot: this.#resumeAfter === undefined,
      resumeAfter: this.#resumeAfter,
      progressInterval: { seconds: Math.floor(progressMs / 1000), nanos: (progressMs % 1000) * 1e6 },
      conflate: latestOnly,
      resolve,
      includeLarge: true,
    });
  }

  /** The stream has ended with this, which may mean that the next one begins with a snapshot. */
  interrupted(error: ConfregError): void {
    if (error instanceof CopyOutdated || LOST.has(error.code)) {
      this.#resumeAfter = undefined;
    }
  }

  /** Takes the next response. ConfregError DATA_LOSS: the stream is of no more use. */
  feed(response: WatchResponse): Update | undefined {
    this.#checkOrder(response);
    this.#checkRights(response);
    switch (response.kind) {
      case WatchResponseKind.WATCH_RESPONSE_KIND_SNAPSHOT:
        for (const message of response.configs) {
          const config = configOf(message, this.#options.numbers);
          this.#snapshot.set(keyOf(config), config);
        }
        return undefined;
      case WatchResponseKind.WATCH_RESPONSE_KIND_SNAPSHOT_END:
        this.#delivered = response.header?.revision ?? 0n;
        return this.#takeSnapshot(this.#handled(response));
      case WatchResponseKind.WATCH_RESPONSE_KIND_EVENTS:
        this.#delivered = response.events.at(-1)?.revision ?? this.#delivered;
        this.#changes.push(...response.events.map((event) => changeOf(event, this.#options.numbers)));
        return response.more ? undefined : this.#takeChanges(this.#handled(response));
      case WatchResponseKind.WATCH_RESPONSE_KIND_STARTED:
      case WatchResponseKind.WATCH_RESPONSE_KIND_PROGRESS:
        this.#handled(response);
        return undefined;
      default: // of a newer server: what it says is not handled, so the position stays
        return undefined;
    }
  }

  #checkOrder(response: WatchResponse): void {
    if (response.previousRevision !== this.#delivered) {
      throw new CopyOutdated(`the response after revision ${this.#delivered} is missing`, "MESSAGE_MISSED");
    }
  }

  #checkRights({ filtered }: WatchResponse): void {
    if (this.#filtered !== undefined && this.#filtered !== filtered) {
      throw new CopyOutdated("the caller may now read other configs than before", "RIGHTS_CHANGED");
    }
    this.#filtered = filtered;
  }

  #handled({ header, more }: WatchResponse): Position {
    if (header !== undefined && header.revision > 0n && !more) {
      this.#resumeAfter = header;
    }
    return positionOf(header);
  }

  #takeChanges(position: Position): Update | undefined {
    const changes = this.#changes;
    this.#changes = [];
    for (const change of changes) {
      if (change.config !== undefined) {
        this.#copy?.set(keyOf(change), change.config);
      } else if (change.headVersion === 0n) {
        this.#copy?.delete(keyOf(change));
      }
    }
    return changes.length > 0 ? { changes, position, first: false, synthetic: false } : undefined;
  }

  #takeSnapshot(position: Position): Update | undefined {
    const before = this.#copy;
    const now = this.#copy = this.#snapshot;
    this.#snapshot = new Map();
    const isSame = this.#epoch === position.epoch ? isDeepStrictEqual : isSameValue;
    this.#epoch = position.epoch;
    if (before === undefined) {
      const changes = [...now.values()].map((config) => found(config, undefined, position));
      return { changes, position, first: true, synthetic: false };
    }
    const changes = [...now].filter(([key, config]) => !isSame(before.get(key), config))
      .map(([key, config]) => found(config, before.get(key), position));
    changes.push(...[...before].filter(([key]) => !now.has(key)).map(([, config]) => gone(config, position)));
    return changes.length > 0 ? { changes, position, first: false, synthetic: true } : undefined;
  }
}

/** Of two logs, whose revisions and versions have nothing to do with each other. */
function isSameValue(before: Config | undefined, now: Config): boolean {
  return before?.payload === now.payload && before.text === now.text;
}

function found(config: Config, previous: Config | undefined, { revision }: Position): Change {
  const { environment, serviceName, kind, version, author, comment } = config;
  return {
    environment, serviceName, kind, version, config, previous, headVersion: version, touchesHead: true,
    revision, time: undefined, author, comment,
  };
}

function gone(previous: Config, { revision }: Position): Change {
  const { environment, serviceName } = previous;
  return {
    environment, serviceName, kind: "delete", version: 0n, config: undefined, previous, headVersion: 0n,
    touchesHead: true, revision, time: undefined, author: "", comment: "",
  };
}
