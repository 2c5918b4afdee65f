import { status, type Metadata } from "@grpc/grpc-js";
import { BadRequest, ErrorInfo, RetryInfo } from "./gen/google/rpc/error_details.js";
import { Status } from "./gen/google/rpc/status.js";

/** The name of a gRPC status: "NOT_FOUND". */
export type Code = keyof typeof status;

/** A member of a refused request. */
export interface Fault {
  field: string;
  description: string;
}

/** Everything but the message of a ConfregError. */
export interface ErrorMembers {
  code: Code;
  reason?: string;
  details?: Record<string, string>;
  faults?: Fault[];
  retryAfterMs?: number;
  cause?: unknown;
}

/** A call has failed, or a watch was interrupted. */
export class ConfregError extends Error {
  override readonly name = "ConfregError";
  readonly code: Code;
  /** The stable reason, "VERSION_MISMATCH"; empty: the server gave none. */
  readonly reason: string;
  /** Numbers and names as texts, such as current_version. */
  readonly details: Readonly<Record<string, string>>;
  /** All members of a request that are at fault. */
  readonly faults: readonly Fault[];
  /** How long the server wants to be left alone; undefined: it does not say. */
  readonly retryAfterMs: number | undefined;

  constructor(message: string, members: ErrorMembers) {
    super(message, members.cause === undefined ? undefined : { cause: members.cause });
    this.code = members.code;
    this.reason = members.reason ?? "";
    this.details = members.details ?? {};
    this.faults = members.faults ?? [];
    this.retryAfterMs = members.retryAfterMs;
  }

  /** The path of the first member that is at fault; empty: none. */
  get field(): string {
    return this.faults[0]?.field ?? "";
  }
}

/** UNAVAILABLE, for what is found out on this side. */
export function unavailable(message: string, reason: string, cause?: unknown): ConfregError {
  return new ConfregError(message, { code: "UNAVAILABLE", reason, cause });
}

/** Whether the registry itself has said it: gRPC's own errors, and those of this side, have no details. */
export function isAnswer(error: ConfregError): boolean {
  return error.cause !== undefined && error.reason !== "";
}

/** A longer wait is not believed: timers of Node take one of more than 24 days for none. */
const MOST_RETRY_AFTER_MS = 24 * 3_600_000;

function decodeDetails(status: Status): Omit<ErrorMembers, "code"> {
  const members: Omit<ErrorMembers, "code"> = {};
  for (const { typeUrl, value } of status.details) {
    switch (typeUrl.slice(typeUrl.lastIndexOf("/") + 1)) {
      case "google.rpc.ErrorInfo": {
        const info = ErrorInfo.decode(value);
        members.reason = info.reason;
        members.details = info.metadata;
        break;
      }
      case "google.rpc.BadRequest":
        members.faults = BadRequest.decode(value).fieldViolations;
        break;
      case "google.rpc.RetryInfo": {
        const delay = RetryInfo.decode(value).retryDelay;
        const ms = delay === undefined ? 0 : Number(delay.seconds) * 1000 + delay.nanos / 1e6;
        members.retryAfterMs = ms > 0 && ms <= MOST_RETRY_AFTER_MS ? ms : undefined;
        break;
      }
    }
  }
  return members;
}

function detailsOf(metadata: Metadata | undefined): Omit<ErrorMembers, "code"> {
  const encoded = metadata?.get("grpc-status-details-bin")[0];
  if (!(encoded instanceof Buffer)) {
    return {};
  }
  try {
    return decodeDetails(Status.decode(encoded));
  } catch {
    return {}; // what is damaged tells nothing; the status counts
  }
}

/** The error of a failed call. */
export function errorOf(failure: unknown): ConfregError {
  if (failure instanceof ConfregError) {
    return failure;
  }
  const { code, details, metadata } = failure as { code?: unknown; details?: unknown; metadata?: Metadata };
  const name = typeof code === "number" ? status[code] : undefined;
  const message = typeof details === "string" ? details : String(failure);
  return new ConfregError(message, { code: (name ?? "UNKNOWN") as Code, ...detailsOf(metadata), cause: failure });
}
