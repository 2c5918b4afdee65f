import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { LosslessNumber } from "lossless-json";
import type { JsonObject, JsonValue } from "./json.js";

const MAX_FILE = 1 << 20; // bytes
const REFERENCE = /\$\{(env|file):([^}]+)\}/g;

/** A file of at most 1 MiB. O_NONBLOCK: a pipe is refused, and not waited for. */
function readReferred(path: string): string {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    if (!fstatSync(file).isFile()) {
      throw new Error(`${path} is no regular file`);
    }
    const content = Buffer.alloc(MAX_FILE + 1);
    let n = 0;
    for (let more = -1; more !== 0 && n < content.length; n += more) {
      more = readSync(file, content, n, content.length - n, null);
    }
    if (n > MAX_FILE) {
      throw new Error(`${path} has more than ${MAX_FILE} bytes`);
    }
    return new TextDecoder("utf-8", { fatal: true }).decode(content.subarray(0, n)).trimEnd();
  } finally {
    closeSync(file);
  }
}

function contentOf(kind: string, name: string): string {
  if (kind === "file") {
    return readReferred(name);
  }
  const content = process.env[name];
  if (content === undefined) {
    throw new Error(`the variable ${name} is not set`);
  }
  return content;
}

function replaced(value: JsonValue): JsonValue {
  if (typeof value === "string") {
    return value.replaceAll(REFERENCE, (_text, kind: string, name: string) => contentOf(kind, name));
  }
  if (Array.isArray(value)) {
    return value.map(replaced);
  }
  if (typeof value === "object" && value !== null && !(value instanceof LosslessNumber)) {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, replaced(member)]));
  }
  return value;
}

/**
 * The values with what the references in their texts stand for: ${env:NAME} is a variable of the environment,
 * ${file:PATH} the content of a file without white space at its end. A key in whose value one leads nowhere is
 * left out, and told.
 */
export function withReferences(values: Readonly<JsonObject>, tell: (key: string, error: Error) => void): JsonObject {
  const result: [string, JsonValue][] = [];
  for (const [key, value] of Object.entries(values)) {
    try {
      result.push([key, replaced(value)]);
    } catch (error) {
      tell(key, error as Error);
    }
  }
  return Object.fromEntries(result);
}
