import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from "node:fs";
import { stat } from "node:fs/promises";
import { LosslessNumber } from "lossless-json";
import type { JsonObject, JsonValue } from "./json.js";

const MAX_FILE = 1 << 20; // bytes
const REFERENCE = /\$\{(env|file):([^}]+)\}/g;

/** The files that were referred to, with what tells whether they are still the same; "": it could not be read. */
export type Files = Map<string, string>;

function stampOf({ dev, ino, size, mtimeMs, ctimeMs }: Stats): string {
  return [dev, ino, size, mtimeMs, ctimeMs].join(" ");
}

/** A file of at most 1 MiB. O_NONBLOCK: a pipe is refused, and not waited for. */
function readReferred(path: string, files: Files): string {
  files.set(path, "");
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(file);
    files.set(path, stampOf(stats));
    if (!stats.isFile()) {
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

function contentOf(kind: string, name: string, files: Files): string {
  if (kind === "file") {
    return readReferred(name, files);
  }
  const content = process.env[name];
  if (content === undefined) {
    throw new Error(`the variable ${name} is not set`);
  }
  return content;
}

function replaced(value: JsonValue, files: Files): JsonValue {
  if (typeof value === "string") {
    return value.replaceAll(REFERENCE, (_text, kind: string, name: string) => contentOf(kind, name, files));
  }
  if (Array.isArray(value)) {
    return value.map((item) => replaced(item, files));
  }
  if (typeof value === "object" && value !== null && !(value instanceof LosslessNumber)) {
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, replaced(member, files)]));
  }
  return value;
}

/**
 * The values with what the references in their texts stand for: ${env:NAME} is a variable of the environment,
 * ${file:PATH} the content of a file without white space at its end. A key in whose value one leads nowhere is
 * left out, and told. The files are added to `files`.
 */
export function withReferences(values: Readonly<JsonObject>, files: Files,
  tell: (key: string, error: Error) => void): JsonObject {
  const result: [string, JsonValue][] = [];
  for (const [key, value] of Object.entries(values)) {
    try {
      result.push([key, replaced(value, files)]);
    } catch (error) {
      tell(key, error as Error);
    }
  }
  return Object.fromEntries(result);
}

/** Whether a file has been replaced, written, made or removed since. */
export async function haveChanged(files: Files): Promise<boolean> {
  const stamps = await Promise.all([...files.keys()].map((path) => stat(path).then(stampOf, () => "")));
  return [...files.values()].some((stamp, i) => stamp !== stamps[i]);
}
