/** Selects the configs whose names fit all members that are given. */
export interface Selector {
  environment?: string;
  serviceName?: string;
  /** What the service name begins with. */
  prefix?: string;
}

/** What one stream can select; the server's limit. */
export const MOST_SELECTORS = 128;

/** A selector with all members; empty ones fit everything. */
export type FullSelector = Required<Selector>;

/** Of what a watch is given: none are one that selects everything. */
export function fullSelectors(selectors: readonly Selector[] = []): FullSelector[] {
  return (selectors.length > 0 ? selectors : [{}]).map(({ environment = "", serviceName = "", prefix = "" }) =>
    ({ environment, serviceName, prefix }));
}

/** Whether all that b selects is selected by a, too. */
function covers(a: FullSelector, b: FullSelector): boolean {
  return (a.environment === "" || a.environment === b.environment) &&
    (a.serviceName === "" || a.serviceName === b.serviceName) &&
    (b.prefix.startsWith(a.prefix) || b.serviceName.startsWith(a.prefix));
}

export function coversAll(selectors: readonly FullSelector[], wanted: readonly FullSelector[]): boolean {
  return wanted.every((one) => selectors.some((other) => covers(other, one)));
}

/** The fewest of the selectors that select what all of them do. */
export function union(selectors: Iterable<FullSelector>): FullSelector[] {
  let kept: FullSelector[] = [];
  for (const one of selectors) {
    if (!coversAll(kept, [one])) {
      kept = [...kept.filter((other) => !covers(one, other)), one];
    }
  }
  return kept;
}

export function selects(selectors: readonly FullSelector[],
  { environment, serviceName }: { environment: string; serviceName: string }): boolean {
  return coversAll(selectors, [{ environment, serviceName, prefix: "" }]);
}
