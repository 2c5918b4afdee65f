import { isInteger, isSafeNumber, LosslessNumber, parse, stringify } from "lossless-json";

/**
 * A value of a config. bigint and LosslessNumber occur only with the numbers "exact": they are the
 * numbers that a number of JavaScript cannot hold.
 */
export type JsonValue = null | boolean | number | string | bigint | LosslessNumber | JsonValue[] | JsonObject;

export interface JsonObject {
  [key: string]: JsonValue;
}

/**
 * How numbers of configs are read: "number", as JSON.parse does, or "exact": an integer beyond 2^53 is a
 * bigint, and a fraction with more digits than a number holds is a LosslessNumber.
 */
export type Numbers = "number" | "exact";

function parseExactNumber(text: string): number | bigint | LosslessNumber {
  if (isInteger(text)) {
    const value = Number(text);
    return Number.isSafeInteger(value) ? value : BigInt(text);
  }
  return isSafeNumber(text) ? Number(text) : new LosslessNumber(text);
}

/** SyntaxError: the text is no JSON object. */
export function parseObject(text: string, numbers: Numbers): JsonObject {
  const value: unknown = numbers === "exact" ? parse(text, undefined, parseExactNumber) : JSON.parse(text);
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new SyntaxError("a config is a JSON object");
  }
  return value as JsonObject;
}

/** A value of a difference; undefined: there is none on that side. */
export function parseValue(text: string, numbers: Numbers): JsonValue | undefined {
  return text === "" ? undefined : parseObject(`{"value":${text}}`, numbers)["value"];
}

function refuseInfinite(_key: string, value: unknown): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new TypeError(`JSON has no number ${value}`);
  }
  return value;
}

/** JSON of any value, bigint and LosslessNumber included. TypeError: it has what is no JSON. */
export function formatJson(value: unknown): Buffer {
  const text = stringify(value, refuseInfinite);
  if (text === undefined) {
    throw new TypeError(`${typeof value} is no JSON`);
  }
  return Buffer.from(text);
}
