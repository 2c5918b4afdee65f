import { createHash, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { ConfregError } from "./errors.js";

/** What the file keeps of a config. */
export interface Kept {
  /** The payload as the registry has it. */
  text: string;
  version: bigint;
  /** The token of the position that it is as of. */
  position: string;
}

/** The config that the file is of. */
export interface Owner {
  environment: string;
  serviceName: string;
  resolve: boolean;
}

/** The first line of the file; the payload is the rest. */
interface Header {
  of: Owner;
  version: string;
  position: string;
  /** Of the header without this member, a line feed and the payload. */
  sha256: string;
}

function checksum(header: Omit<Header, "sha256">, text: string): string {
  return createHash("sha256").update(`${JSON.stringify(header)}\n${text}`).digest("hex");
}

function fileError(path: string, what: string, cause?: unknown): ConfregError {
  return new ConfregError(`${path} ${what}${cause instanceof Error ? `: ${cause.message}` : ""}`,
    { code: "UNKNOWN", reason: "LAST_KNOWN_GOOD_FILE", cause });
}

function parse(content: string, owner: Owner): Kept | undefined {
  const end = content.indexOf("\n");
  const { of, version, position, sha256 } = JSON.parse(content.slice(0, end)) as Header;
  const text = content.slice(end + 1);
  const isSound = sha256 === checksum({ of, version, position }, text);
  const isOurs = JSON.stringify(of) === JSON.stringify(owner);
  return isSound && isOurs ? { text, version: BigInt(version), position } : undefined;
}

/**
 * The file that keeps the last values for a start while the registry is away: readable by its owner only,
 * replaced as a whole, with a checksum. One that cannot be used counts as none.
 */
export class LastKnownGood {
  readonly #path: string;
  readonly #owner: Owner;
  readonly #onFailure: (error: ConfregError) => void;
  #next: Kept | undefined; // to be written
  #writing: Promise<void> | undefined;

  constructor(path: string, owner: Owner, onFailure: (error: ConfregError) => void) {
    this.#path = path;
    this.#owner = owner;
    this.#onFailure = onFailure;
  }

  /** undefined: there is none, or none that can be used. */
  read(): Kept | undefined {
    try {
      const kept = parse(readFileSync(this.#path, "utf8"), this.#owner);
      if (kept === undefined) {
        this.#onFailure(fileError(this.#path, "is damaged or of another config"));
      }
      return kept;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") {
        this.#onFailure(fileError(this.#path, "cannot be used", error));
      }
      return undefined;
    }
  }

  /** Of values that come while the file is written, only the newest is written next. */
  write(kept: Kept): void {
    this.#next = kept;
    this.#writing ??= this.#writeAll();
  }

  /** Resolves when all that was given is written, or cannot be. */
  async written(): Promise<void> {
    await this.#writing;
  }

  async #writeAll(): Promise<void> {
    for (let kept; (kept = this.#next) !== undefined;) {
      this.#next = undefined;
      const made = `${this.#path}.${randomUUID()}`;
      try {
        await this.#replace(made, kept);
      } catch (error) {
        await rm(made, { force: true }).catch(() => undefined);
        this.#onFailure(fileError(this.#path, "cannot be written", error));
      }
    }
    this.#writing = undefined;
  }

  async #replace(made: string, { text, version, position }: Kept): Promise<void> {
    const header = { of: this.#owner, version: version.toString(), position };
    const content = `${JSON.stringify({ ...header, sha256: checksum(header, text) })}\n${text}`;
    await synced(made, "wx", content);
    await rename(made, this.#path);
    await synced(dirname(this.#path), "r");
  }
}

/** A file with this content, or a folder, is on disk at the end. */
async function synced(path: string, flags: string, content?: string): Promise<void> {
  const file = await open(path, flags, 0o600);
  try {
    if (content !== undefined) {
      await file.writeFile(content);
    }
    await file.sync();
  } finally {
    await file.close();
  }
}
