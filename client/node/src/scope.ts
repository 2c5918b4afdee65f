import { setMaxListeners } from "node:events";

/**
 * An AbortSignal that also aborts with another one. Unlike AbortSignal.any it lets go of the other one
 * when it is disposed of, so one signal can serve any number of calls.
 */
export class Scope {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #onAbort = (): void => this.abort(this.#outer?.reason);

  constructor(outer?: AbortSignal) {
    this.#outer = outer;
    if (outer?.aborted) {
      this.#onAbort();
    } else if (outer) {
      setMaxListeners(0, outer); // one for many calls at once is no leak to be warned of
      outer.addEventListener("abort", this.#onAbort, { once: true });
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  abort(reason: unknown): void {
    this.#controller.abort(reason);
  }

  dispose(): void {
    this.#outer?.removeEventListener("abort", this.#onAbort);
  }
}
