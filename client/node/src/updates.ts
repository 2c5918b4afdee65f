import { keyOf, type Update } from "./follow.js";
import type { Change } from "./models.js";

/** What updates may hold that wait for a slow reader. */
const MOST_BYTES = 16 << 20;
const CHANGE_BYTES = 512; // of a change beside its payload

function sizeOf({ changes, first, synthetic }: Update): number {
  // A state is in the copy of the watch anyway.
  return first || synthetic ? 0
    : changes.reduce((sum, { config }) => sum + CHANGE_BYTES + (config?.text.length ?? 0), 0);
}

/** Only the newest of several changes of a config, in the order of these. */
function merged(before: Update, now: Update): Update {
  const changes = new Map<string, Change>(before.changes.map((change) => [keyOf(change), change]));
  for (const change of now.changes) {
    changes.delete(keyOf(change));
    changes.set(keyOf(change), change);
  }
  return { ...now, changes: [...changes.values()], synthetic: before.synthetic || now.synthetic };
}

/** Updates that wait for the reader of a watch. */
export class Updates {
  readonly #latestOnly: boolean;
  #waiting: Update[] = [];
  #bytes = 0;

  constructor(latestOnly: boolean) {
    this.#latestOnly = latestOnly;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** False: no more, until it is empty. With latestOnly there is always room. */
  push(update: Update): boolean {
    const last = this.#waiting.at(-1);
    if (this.#latestOnly && last !== undefined && !last.first && !update.first) {
      this.#waiting[this.#waiting.length - 1] = merged(last, update);
      return true;
    }
    this.#waiting.push(update);
    this.#bytes += sizeOf(update);
    return this.#latestOnly || this.#bytes < MOST_BYTES;
  }

  shift(): Update | undefined {
    const update = this.#waiting.shift();
    if (this.isEmpty) {
      this.#bytes = 0;
    }
    return update;
  }
}
