import { Backoff } from "./backoff.js";
import type { ConfregError } from "./errors.js";
import { Line, type LineEvents, type LineOptions, type Member } from "./line.js";
import { MOST_SELECTORS, union } from "./selection.js";
import type { Unit } from "./reader.js";

interface Suspect {
  readonly backoff: Backoff;
  wait: NodeJS.Timeout | undefined;
}

/** Marks come quickly while members are brought in step: the first one says that they are. */
const JOINING_PROGRESS_MS = 100;

/**
 * One stream for all watches of a client, as many as its selectors allow.
 *
 * Who joins begins on a second line, with a snapshot or after its own position, so that it disturbs nobody:
 * neither by what it has to catch up with nor by being refused. When it is in step, the main line takes it
 * over, and goes on with all of them after the oldest of their positions. Those who join meanwhile wait for
 * the next turn, and are brought in step together.
 *
 * Who takes no more leaves the line, and joins again after its position when it does: it holds up nobody,
 * and nothing is kept for it but its position.
 */
class SharedWatch implements LineEvents {
  readonly #main: Line;
  readonly #joining: Line;
  readonly #members = new Set<Member>(); // on a line, waiting for one, or taking no more
  #waiting: Member[] = [];
  /** Who was refused, or was in the company of one who was: each gets a line of its own. */
  readonly #suspects = new Map<Member, Suspect>();
  #isScheduled = false;

  constructor(options: LineOptions) {
    this.#main = new Line(options, this);
    this.#joining = new Line({ ...options, progressMs: Math.min(options.progressMs, JOINING_PROGRESS_MS) }, this);
  }

  hasRoom({ follower }: Member): boolean {
    const all = [...this.#members].flatMap((member) => member.follower.selectors);
    return union([...all, ...follower.selectors]).length <= MOST_SELECTORS;
  }

  get isEmpty(): boolean {
    return this.#members.size === 0;
  }

  /** A new member, or one that takes more again. */
  join(member: Member): void {
    this.#members.add(member);
    this.#waiting.push(member);
    this.#schedule();
  }

  leave(member: Member): void {
    this.#members.delete(member);
    clearTimeout(this.#suspects.get(member)?.wait);
    this.#suspects.delete(member);
    this.#waiting = this.#waiting.filter((other) => other !== member);
    this.#main.remove(member);
    this.#joining.remove(member);
    this.#schedule();
  }

  /** Those who join in one go, join together. */
  #schedule(): void {
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      queueMicrotask(() => {
        this.#isScheduled = false;
        this.#waiting = this.#waiting.filter((member) => !this.#place(member));
      });
    }
  }

  /** Whether one of the lines has taken the member. */
  #place(member: Member): boolean {
    const line = [this.#main, this.#joining].find((one) => this.#accepts(one, member));
    line?.add(member);
    return line !== undefined;
  }

  #accepts(line: Line, member: Member): boolean {
    return line.members.size === 0 || (line.isBeforeSnapshot && member.follower.position === undefined &&
      !this.#suspects.has(member) && ![...line.members].some((other) => this.#suspects.has(other)));
  }

  // ---- What the lines tell ----

  fed(line: Line, kind: Unit["kind"]): void {
    line.members.forEach((member) => this.#suspects.delete(member));
    if (line === this.#joining && (kind === "snapshot" || kind === "progress" || this.#isInStep())) {
      const { position, filtered } = line;
      this.#main.merge(line.clear(), position, filtered);
    }
    this.#schedule();
  }

  #isInStep(): boolean {
    const [main, joining] = [this.#main.position, this.#joining.position];
    return main !== undefined && joining?.epoch === main.epoch && joining.revision >= main.revision;
  }

  left(): void {
    this.#schedule(); // the line may have no members now
  }

  failed(line: Line, error: ConfregError): void {
    if (error.code === "INVALID_ARGUMENT") {
      this.#separate(line, error);
    } else {
      [...line.members, ...this.#waiting].forEach((member) => member.interrupted(error));
    }
    this.#schedule();
  }

  /** One of the members selects what the server refuses. The others go on as soon as it is known which. */
  #separate(line: Line, error: ConfregError): void {
    const members = line.clear();
    for (const member of members) {
      const suspect = this.#suspects.get(member) ?? { backoff: new Backoff(), wait: undefined };
      this.#suspects.set(member, suspect);
      if (members.length > 1) {
        this.#waiting.push(member);
      } else {
        member.interrupted(error);
        suspect.wait = setTimeout(() => this.join(member), suspect.backoff.next(error.retryAfterMs));
      }
    }
  }
}

/** The place of a member on a shared stream. */
export interface Place {
  /** After Member.take was false: it takes more. */
  rejoin(): void;
  leave(): void;
}

/** The shared streams of a client: one, another one with `resolve`, and more beyond 128 selectors. */
export class SharedWatches {
  readonly #options: Omit<LineOptions, "resolve">;
  readonly #watches = new Map<boolean, SharedWatch[]>(); // by resolve

  constructor(options: Omit<LineOptions, "resolve">) {
    this.#options = options;
  }

  join(member: Member, resolve: boolean): Place {
    const watches = (this.#watches.get(resolve) ?? []).filter(({ isEmpty }) => !isEmpty);
    let watch = watches.find((one) => one.hasRoom(member));
    if (watch === undefined) {
      watch = new SharedWatch({ ...this.#options, resolve });
      watches.push(watch);
    }
    this.#watches.set(resolve, watches);
    watch.join(member);
    const place = watch;
    return { rejoin: () => place.join(member), leave: () => place.leave(member) };
  }
}
