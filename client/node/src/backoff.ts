const FIRST_MS = 200;
const MOST_MS = 5_000;

/**
 * Full jitter: each wait is between nothing and a bound that doubles. There is one before the first
 * repeat, too, so that the clients of a restarted server come back spread over time.
 */
export class Backoff {
  #bound = FIRST_MS;

  /** How long to wait now, in ms; on top of what the server asks for. */
  next(retryAfterMs = 0): number {
    const wait = retryAfterMs + Math.random() * this.#bound;
    this.#bound = Math.min(2 * this.#bound, MOST_MS);
    return wait;
  }

  reset(): void {
    this.#bound = FIRST_MS;
  }
}
