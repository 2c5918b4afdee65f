import { LosslessNumber } from "lossless-json";
import type { JsonValue } from "./json.js";

type Units = ReadonlyMap<string, number>; // in lower case

const DURATIONS: Units = new Map([["", 1], ["ms", 1], ["s", 1e3], ["m", 60e3], ["h", 36e5], ["d", 864e5]]);
const SIZES: Units = new Map([
  ["", 1], ["b", 1], ["kb", 1e3], ["mb", 1e6], ["gb", 1e9], ["tb", 1e12], ["k", 2 ** 10], ["m", 2 ** 20],
  ["g", 2 ** 30], ["t", 2 ** 40], ["kib", 2 ** 10], ["mib", 2 ** 20], ["gib", 2 ** 30], ["tib", 2 ** 40],
]);

/** A number and its unit. */
const QUANTITY = /(\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?)([a-z]*)/iy;

/** The sum of numbers with units, which follow each other without a gap; undefined: the text is none. */
function parse(text: string, units: Units, most: number): number | undefined {
  let sum = 0;
  let at = 0;
  for (let n = 0; n === 0 || at < text.length; n++) {
    QUANTITY.lastIndex = at;
    const [found, number, unit] = QUANTITY.exec(text) ?? [];
    const factor = units.get((unit ?? "").toLowerCase());
    if (found === undefined || factor === undefined || n === most) {
      return undefined;
    }
    sum += Number(number) * factor;
    at += found.length;
  }
  return sum;
}

function toQuantity(value: JsonValue, units: Units, most: number): number | undefined {
  let number: number | undefined;
  if (typeof value === "string") {
    number = parse(value.trim().replace(/(?<=\d)_(?=\d)/g, "").replace(/^\+(?=\d+$)/, ""), units, most);
  } else if (typeof value === "number") {
    number = value;
  } else if (value instanceof LosslessNumber) {
    number = Number(value.value);
  }
  const whole = Math.trunc(number ?? NaN);
  return Number.isSafeInteger(whole) && whole >= 0 ? whole + 0 : undefined;
}

/** Milliseconds: a number, or a text such as "250ms", "1.5s", "1h30m" (ms, s, m, h, d). */
export function toDurationMs(value: JsonValue): number | undefined {
  return toQuantity(value, DURATIONS, Infinity);
}

/**
 * Bytes: a number, or a text such as "64KiB", "10MB", "1.5G": kB, MB, GB, TB are powers of 1000, all others of
 * 1024.
 */
export function toSize(value: JsonValue): number | undefined {
  return toQuantity(value, SIZES, 1);
}
