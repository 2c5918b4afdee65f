import { ConfregError, type Code } from "./errors.js";
import type { Numbers } from "./json.js";
import { changeOf, configOf, type Change, type Config } from "./models.js";
import { WatchResponseKind as Kind, type Position as Header, type WatchResponse } from "./proto.js";

/** What a stream has delivered completely. After each one it can be resumed at `header`. */
export type Unit = { readonly header: Header; readonly filtered: boolean } & (
  | { readonly kind: "snapshot"; readonly configs: readonly Config[] }
  | { readonly kind: "changes"; readonly changes: readonly Change[] }
  /** Nothing was missed up to the header; "started": nor will be after it. */
  | { readonly kind: "started" | "progress" });

/** What was delivered is not all: a snapshot has to be taken. */
class CopyOutdated extends ConfregError {
  constructor(message: string, reason: string) {
    super(message, { code: "DATA_LOSS", reason });
  }
}

/** What a config or a change takes beside its message, about: one that says nothing has two bytes of it. */
const ITEM_BYTES = 1024;

const LOST = new Set<Code>(["OUT_OF_RANGE", "FAILED_PRECONDITION"]);

/**
 * Whether the server will never take the position: it is of another log or of other rights, is compacted, or has
 * the form of a newer server's.
 */
export function losesPosition(error: ConfregError): boolean {
  return error instanceof CopyOutdated || LOST.has(error.code) ||
    (error.code === "INVALID_ARGUMENT" && error.field.startsWith("resume_after"));
}

export interface ReaderOptions {
  /** The stream begins with a snapshot. */
  snapshot: boolean;
  /** What every response has to say; undefined: what the first one does. */
  filtered: boolean | undefined;
  numbers: Numbers;
  maxWatchBytes: number;
}

/** Puts the responses of one stream together. It does no I/O. */
export class Reader {
  readonly #options: ReaderOptions;
  #isLoading: boolean; // the snapshot is not complete
  #isPartial = false; // the commit is not complete
  #configs: Config[] = [];
  #changes: Change[] = [];
  #bytes = 0; // that those two take, about
  #delivered = 0n; // revision of the newest event or snapshot
  #filtered: boolean | undefined;
  #isUnread = true;

  constructor(options: ReaderOptions) {
    this.#options = options;
    this.#isLoading = options.snapshot;
    this.#filtered = options.filtered;
  }

  /** No response has come yet. */
  get isUnread(): boolean {
    return this.#isUnread;
  }

  /** Takes the next response, of so many bytes. ConfregError: the stream is of no more use. */
  read(response: WatchResponse, bytes: number): Unit | undefined {
    this.#isUnread = false;
    this.#checkOrder(response);
    this.#checkRights(response);
    switch (response.kind) {
      case Kind.WATCH_RESPONSE_KIND_SNAPSHOT:
        this.#expect(this.#isLoading);
        this.#hold(bytes, response.configs.length, "snapshot");
        for (const config of response.configs) {
          this.#configs.push(configOf(config, this.#options.numbers));
        }
        return undefined;
      case Kind.WATCH_RESPONSE_KIND_SNAPSHOT_END:
        return this.#endSnapshot(response);
      case Kind.WATCH_RESPONSE_KIND_EVENTS:
        this.#expect(!this.#isLoading);
        this.#hold(bytes, response.events.length, "commit");
        this.#delivered = response.events.at(-1)?.revision ?? this.#delivered;
        for (const event of response.events) {
          this.#changes.push(changeOf(event, this.#options.numbers));
        }
        this.#isPartial = response.more;
        return response.more ? undefined : this.#endCommit(response);
      case Kind.WATCH_RESPONSE_KIND_STARTED:
        return this.#mark(response, "started");
      default: // progress, or of a newer server: what that says is passed over, its position counts
        return this.#mark(response, "progress");
    }
  }

  #checkOrder({ previousRevision }: WatchResponse): void {
    if (previousRevision !== this.#delivered) {
      throw new CopyOutdated(`the response after revision ${this.#delivered} is missing`, "MESSAGE_MISSED");
    }
  }

  #checkRights({ filtered }: WatchResponse): void {
    if (this.#filtered !== undefined && this.#filtered !== filtered) {
      throw new CopyOutdated("the caller may now read other configs than before", "RIGHTS_CHANGED");
    }
    this.#filtered = filtered;
  }

  /** What no sound server sends is an error that leaves the position as it is. */
  #expect(condition: boolean): asserts condition {
    if (!condition) {
      throw new ConfregError("the response does not belong here", { code: "DATA_LOSS", reason: "RESPONSE_UNEXPECTED" });
    }
  }

  #hold(bytes: number, items: number, what: string): void {
    this.#bytes += bytes + items * ITEM_BYTES;
    const { maxWatchBytes } = this.#options;
    if (this.#bytes > maxWatchBytes) {
      throw new ConfregError(`a ${what} has more than maxWatchBytes, ${maxWatchBytes} bytes`,
        { code: "RESOURCE_EXHAUSTED", reason: "WATCH_TOO_LARGE" });
    }
  }

  #endSnapshot({ header, filtered }: WatchResponse): Unit {
    this.#expect(this.#isLoading && header !== undefined);
    const configs = this.#configs;
    this.#configs = [];
    this.#bytes = 0;
    this.#isLoading = false;
    this.#delivered = header.revision;
    return { kind: "snapshot", configs, header, filtered };
  }

  #endCommit({ header, filtered }: WatchResponse): Unit {
    this.#expect(header !== undefined && header.revision > 0n);
    const changes = this.#changes;
    this.#changes = [];
    this.#bytes = 0;
    return { kind: "changes", changes, header, filtered };
  }

  /** Within a snapshot or a commit there is no position. */
  #mark({ header, filtered, more }: WatchResponse, kind: "started" | "progress"): Unit | undefined {
    const isPosition = header !== undefined && header.revision > 0n;
    return isPosition && !more && !this.#isLoading && !this.#isPartial ? { kind, header, filtered } : undefined;
  }
}
