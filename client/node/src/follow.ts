import { isDeepStrictEqual } from "node:util";
import { positionOf, type Change, type Config, type Position } from "./models.js";
import { Position as Header } from "./proto.js";
import type { Unit } from "./reader.js";
import { selects, type FullSelector } from "./selection.js";

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
  /**
   * The caller may not read all that the client's watches select: what is missing may be there, which get()
   * tells. When his rights change there is a new snapshot, and an update, also if nothing else differs.
   */
  readonly filtered: boolean;
}

type Copy = Map<string, Config>;

export const keyOf = (of: { environment: string; serviceName: string }): string =>
  `${of.environment}/${of.serviceName}`;

/**
 * What one watch has been told: units of a stream go in, updates come out. It does no I/O.
 *
 * A stream can have what the watch does not select, and what it was told before; both are left out. A new
 * snapshot is compared with what the watch knows: the changes in between are then told as synthetic ones,
 * deletes included.
 */
export class Follower {
  readonly selectors: readonly FullSelector[];
  readonly #touchesHeadOnly: boolean;
  #position: Header | undefined; // undefined: begin with a snapshot
  #copy: Copy | undefined; // undefined: not known
  #epoch = ""; // of the copy
  #filtered: boolean | undefined; // of the update before

  /** touchesHeadOnly: without changes of versions that are not the head. */
  constructor(selectors: readonly FullSelector[], touchesHeadOnly: boolean, resumeAfter: string | undefined) {
    this.selectors = selectors;
    this.#touchesHeadOnly = touchesHeadOnly;
    if (resumeAfter !== undefined) {
      this.#position = Header.fromPartial({ token: resumeAfter });
    }
  }

  get position(): Header | undefined {
    return this.#position;
  }

  /** The position is of no use any more. */
  forgetPosition(): void {
    this.#position = undefined;
  }

  take(unit: Unit): Update | undefined {
    const position = positionOf(unit.header);
    const update = unit.kind === "snapshot" ? this.#compare(unit.configs, position)
      : { changes: unit.kind === "changes" ? this.#apply(unit.changes) : [], first: false, synthetic: false };
    const isNewer = this.#position === undefined || unit.header.revision >= this.#position.revision;
    if (unit.kind === "snapshot" || isNewer) {
      this.#position = unit.header.revision > 0n ? unit.header : undefined;
    }
    const { filtered } = unit;
    const isToBeTold = update.changes.length > 0 || update.first ||
      (unit.kind === "snapshot" && filtered !== this.#filtered);
    this.#filtered = filtered;
    return isToBeTold ? { ...update, position, filtered } : undefined;
  }

  #apply(changes: readonly Change[]): Change[] {
    const told = this.#position?.revision ?? 0n;
    const found = changes.filter((change) => change.revision > told && selects(this.selectors, change) &&
      (change.touchesHead || !this.#touchesHeadOnly));
    for (const change of found) {
      if (change.config !== undefined) {
        this.#copy?.set(keyOf(change), change.config);
      } else if (change.headVersion === 0n) {
        this.#copy?.delete(keyOf(change));
      }
    }
    return found;
  }

  #compare(configs: readonly Config[], position: Position): Pick<Update, "changes" | "first" | "synthetic"> {
    const before = this.#copy;
    const now: Copy = this.#copy = new Map(configs.filter((config) => selects(this.selectors, config))
      .map((config) => [keyOf(config), config]));
    const isSame = this.#epoch === position.epoch ? isDeepStrictEqual : isSameValue;
    this.#epoch = position.epoch;
    if (before === undefined) {
      const changes = [...now.values()].map((config) => found(config, undefined, position));
      return { changes, first: true, synthetic: false };
    }
    const others = [...now].filter(([key, config]) => !isSame(before.get(key), config))
      .map(([key, config]) => found(config, before.get(key), position));
    const missing = [...before].filter(([key]) => !now.has(key)).map(([, config]) => gone(config, position));
    return { changes: [...others, ...missing], first: false, synthetic: true };
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
