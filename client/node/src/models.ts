import { ConfregError } from "./errors.js";
import { parseObject, parseValue, type JsonObject, type JsonValue, type Numbers } from "./json.js";
import { ChangeKind, PayloadState } from "./proto.js";
import type * as proto from "./proto.js";

/** A place in the registry's log. `token` is the whole position as text. */
export interface Position {
  readonly epoch: string;
  readonly revision: bigint;
  readonly token: string;
}

/** How a version was made or a config went away; "unknown": by what this release does not know. */
export type Kind =
  "create" | "update" | "rollback" | "delete" | "erase" | "import" | "compact" | "undelete" | "unknown";

/** Where the payload is; "present": in data. */
export type Payload = "present" | "erased" | "compacted" | "omitted" | "unknown";

/** A config's head, or one version of it. */
export interface Config {
  readonly environment: string;
  readonly serviceName: string;
  readonly version: bigint;
  /** undefined: there is no payload (see payload), or the config is deleted. */
  readonly data: JsonObject | undefined;
  /** The payload as the registry keeps it: every digit, and the order of the keys. Empty: there is none. */
  readonly text: string;
  readonly payload: Payload;
  readonly kind: Kind;
  readonly createdAt: Date;
  readonly author: string;
  readonly comment: string;
  /** The commit that made this version. */
  readonly revision: bigint;
  /** The newest commit that changed the head: order copies by it. */
  readonly modRevision: bigint;
  /** Of a rollback or undelete: the version that the payload comes from; 0: none. */
  readonly sourceVersion: bigint;
  readonly deleted: boolean;
}

/** One change of one config. */
export interface Change {
  readonly environment: string;
  readonly serviceName: string;
  readonly kind: Kind;
  /** The version that was added; of a delete the one asked for, 0: the whole config. */
  readonly version: bigint;
  /** The head afterwards; undefined: deleted, or the head was not touched. */
  readonly config: Config | undefined;
  /** The head before, where it is known. */
  readonly previous: Config | undefined;
  /** The head's version afterwards; 0: the config is deleted. */
  readonly headVersion: bigint;
  readonly touchesHead: boolean;
  readonly revision: bigint;
  /** When it was committed; undefined: it was found by comparing two copies. */
  readonly time: Date | undefined;
  readonly author: string;
  readonly comment: string;
}

/** The difference between two versions, by top-level key, and whole as an RFC 6902 patch. */
export interface Diff {
  readonly oldVersion: bigint;
  readonly newVersion: bigint;
  readonly added: JsonObject;
  readonly removed: JsonObject;
  readonly changed: Record<string, { before: JsonValue; after: JsonValue }>;
  /** undefined: it is too large to be sent. */
  readonly jsonPatch: JsonValue | undefined;
}

/** What a write has done; with validateOnly, what it would do. */
export interface WriteResult {
  readonly position: Position;
  /** The head afterwards; undefined: there is none. */
  readonly config: Config | undefined;
  /** Of a delete: how many versions. */
  readonly deletedCount: bigint;
  /** Only with validateOnly. */
  readonly diff: Diff | undefined;
}

const KINDS: Partial<Record<ChangeKind, Kind>> = {
  [ChangeKind.CHANGE_KIND_CREATE]: "create",
  [ChangeKind.CHANGE_KIND_UPDATE]: "update",
  [ChangeKind.CHANGE_KIND_ROLLBACK]: "rollback",
  [ChangeKind.CHANGE_KIND_DELETE]: "delete",
  [ChangeKind.CHANGE_KIND_ERASE]: "erase",
  [ChangeKind.CHANGE_KIND_IMPORT]: "import",
  [ChangeKind.CHANGE_KIND_COMPACT]: "compact",
  [ChangeKind.CHANGE_KIND_UNDELETE]: "undelete",
};

const PAYLOADS: Partial<Record<PayloadState, Payload>> = {
  [PayloadState.PAYLOAD_STATE_UNSPECIFIED]: "present",
  [PayloadState.PAYLOAD_STATE_ERASED]: "erased",
  [PayloadState.PAYLOAD_STATE_COMPACTED]: "compacted",
  [PayloadState.PAYLOAD_STATE_OMITTED]: "omitted",
};

function parseData(text: string, numbers: Numbers): JsonObject {
  try {
    return parseObject(text, numbers);
  } catch (error) {
    throw new ConfregError(`the payload is no JSON object: ${(error as Error).message}`,
      { code: "DATA_LOSS", reason: "PAYLOAD_DAMAGED", cause: error });
  }
}

export function positionOf(header: proto.Position | undefined): Position {
  return { epoch: header?.epoch ?? "", revision: header?.revision ?? 0n, token: header?.token ?? "" };
}

/** The members that a Config and a Version have in common. */
function commonOf(message: proto.Config | proto.Version, numbers: Numbers): Omit<
  Config, "environment" | "serviceName" | "modRevision" | "deleted"> {
  const payload = PAYLOADS[message.payloadState] ?? "unknown";
  const hasData = payload === "present" && message.version > 0n;
  const text = hasData ? message.configData.toString() : "";
  return {
    version: message.version,
    data: hasData ? parseData(text, numbers) : undefined,
    text,
    payload,
    kind: KINDS[message.kind] ?? "unknown",
    createdAt: message.createTime ?? new Date(0),
    author: message.createdBy,
    comment: message.comment,
    revision: message.revision,
    sourceVersion: message.sourceVersion,
  };
}

/** ConfregError DATA_LOSS: the payload is no JSON object. */
export function configOf(message: proto.Config, numbers: Numbers): Config {
  return {
    environment: message.environment,
    serviceName: message.serviceName,
    ...commonOf(message, numbers),
    modRevision: message.modRevision,
    deleted: message.version === 0n,
  };
}

/** A version of the config that is named. */
export function versionOf(message: proto.Version, environment: string, serviceName: string,
  numbers: Numbers): Config {
  return {
    environment,
    serviceName,
    ...commonOf(message, numbers),
    modRevision: message.revision,
    deleted: message.deleted,
  };
}

export function changeOf(event: proto.Event, numbers: Numbers): Change {
  return {
    environment: event.environment,
    serviceName: event.serviceName,
    kind: KINDS[event.kind] ?? "unknown",
    version: event.version,
    config: event.config && configOf(event.config, numbers),
    previous: event.previous && configOf(event.previous, numbers),
    headVersion: event.headVersion,
    touchesHead: event.config !== undefined || event.headVersion === 0n,
    revision: event.revision,
    time: event.commitTime,
    author: event.createdBy,
    comment: event.comment,
  };
}

export function diffOf(message: proto.Diff, numbers: Numbers): Diff {
  const value = (data: Buffer): JsonValue => parseValue(data.toString(), numbers) ?? null;
  return {
    oldVersion: message.oldVersion,
    newVersion: message.newVersion,
    added: Object.fromEntries(message.added.map(({ key, newValue }) => [key, value(newValue)])),
    removed: Object.fromEntries(message.removed.map(({ key, oldValue }) => [key, value(oldValue)])),
    changed: Object.fromEntries(message.changed.map(({ key, oldValue, newValue }) =>
      [key, { before: value(oldValue), after: value(newValue) }])),
    jsonPatch: parseValue(message.jsonPatch.toString(), numbers),
  };
}

/** Of the response to any write of one config. */
export function writeResultOf(response: {
  header?: proto.Position | undefined;
  config?: proto.Config | undefined;
  diff?: proto.Diff | undefined;
  deletedCount?: bigint;
}, numbers: Numbers): WriteResult {
  return {
    position: positionOf(response.header),
    config: response.config && configOf(response.config, numbers),
    deletedCount: response.deletedCount ?? 0n,
    diff: response.diff && diffOf(response.diff, numbers),
  };
}
