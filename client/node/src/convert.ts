import { LosslessNumber } from "lossless-json";
import type { JsonObject, JsonValue } from "./json.js";

const TRUE = new Set(["true", "1", "yes", "on"]);

/** undefined: the value is none of the type that is asked for, so the default counts. */
type Converted<T> = T | undefined;

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof LosslessNumber);
}

/** The value of a key, or, of one that begins with "/", at an RFC 6901 pointer; undefined: there is none. */
export function lookUp(values: JsonObject, key: string): JsonValue | undefined {
  if (!key.startsWith("/")) {
    return Object.hasOwn(values, key) ? values[key] : undefined;
  }
  let value: JsonValue | undefined = values;
  for (const escaped of key.split("/").slice(1)) {
    const step = escaped.replaceAll("~1", "/").replaceAll("~0", "~");
    if (Array.isArray(value)) {
      value = /^(0|[1-9]\d*)$/.test(step) ? value[Number(step)] : undefined;
    } else {
      value = isObject(value) && Object.hasOwn(value, step) ? value[step] : undefined;
    }
  }
  return value;
}

export function toText(value: JsonValue): Converted<string> {
  return typeof value === "object" && !(value instanceof LosslessNumber) ? undefined : String(value);
}

/** Of texts, "true", "1", "yes" and "on" in any case are true, all others false; so are null, 0 and what is empty. */
export function toBoolean(value: JsonValue): boolean {
  if (typeof value === "string") {
    return TRUE.has(value.toLowerCase());
  }
  if (value instanceof LosslessNumber) {
    return Number(value.value) !== 0;
  }
  return typeof value === "object" && value !== null ? Object.keys(value).length > 0 : Boolean(value);
}

/** A number, or a text that is one. */
export function toNumber(value: JsonValue): Converted<number> {
  if (typeof value === "object" && !(value instanceof LosslessNumber)) {
    return undefined;
  }
  if (typeof value === "string" && !/^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(value)) {
    return undefined;
  }
  const number = Number(value instanceof LosslessNumber ? value.value : value);
  return Number.isFinite(number) ? number : undefined;
}

/** A number without its fraction, or a text that is a whole number, if it is exact in a number. */
export function toInteger(value: JsonValue): Converted<number> {
  if (typeof value === "string" && !/^\s*[+-]?\d+\s*$/.test(value)) {
    return undefined;
  }
  const number = Math.trunc(toNumber(value) ?? NaN);
  return Number.isSafeInteger(number) ? number + 0 : undefined; // -0 is 0
}
