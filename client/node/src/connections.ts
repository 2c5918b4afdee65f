import { readFile } from "node:fs/promises";
import { Client as Channel, credentials, Metadata, type ChannelOptions } from "@grpc/grpc-js";
import { ConfregError, isAnswer, unavailable } from "./errors.js";

/** Also in use after a connection was retired, so that one to a frozen server is closed. */
function keepalive(progressMs: number): ChannelOptions {
  return {
    "grpc.keepalive_time_ms": 2 * progressMs,
    "grpc.keepalive_timeout_ms": progressMs,
    "grpc.keepalive_permit_without_calls": 1,
  };
}

const CHANNEL_OPTIONS: ChannelOptions = {
  "grpc.max_receive_message_length": 64 << 20,
  "grpc.enable_retries": 0, // the client repeats calls itself, with their request_id
  "grpc.service_config_disable_resolution": 1,
  "grpc.use_local_subchannel_pool": 1, // a new channel connects at once: the waits are the client's
};

/** How the connection is secured and who the caller is. Files are read again for each call. */
export interface Credentials {
  /** Connect by TLS, with the system's authorities; caFile implies it. */
  tls?: boolean;
  /** Certificates (PEM) of the authorities that may have signed the server's. */
  caFile?: string;
  /** The client's own certificate and its key (PEM). */
  certFile?: string;
  keyFile?: string;
  /** The name in the server's certificate, where the address has another. */
  serverName?: string;
  /** A bearer token, or the file that it stands in. */
  token?: string;
  tokenFile?: string;
  /** Send the token to other machines without TLS, too, where something else protects the network. */
  tokenInClear?: boolean;
}

/** Whether what is sent there stays on this machine. */
function isLocal(address: string): boolean {
  const host = address.replace(/:\d+$/, "");
  return address.startsWith("unix:") || /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(host);
}

interface Target {
  address: string;
  tls: boolean;
}

function parseTarget(text: string, given: Credentials): Target {
  const [, scheme = "grpc", address = ""] = /^(?:(\w+):\/\/)?(.*)$/s.exec(text.trim()) ?? [];
  const unix = address.startsWith("unix:");
  if (!["grpc", "grpcs"].includes(scheme) || !(unix ? address.length > 5 : /:\d+$/.test(address))) {
    throw new TypeError(`"${text}" is no address: HOST:PORT, grpcs://HOST:PORT or unix:PATH`);
  }
  const tls = !unix && (scheme === "grpcs" || given.tls === true || given.caFile !== undefined);
  const hasToken = given.token !== undefined || given.tokenFile !== undefined;
  if (hasToken && !tls && given.tokenInClear !== true && !isLocal(address)) {
    throw new TypeError(
      `without TLS the token would cross the network to ${address} in the clear: use TLS, or tokenInClear`);
  }
  return { address, tls };
}

/** The files of TLS as they are now; null: not given. */
type TlsFiles = [ca: Buffer | null, key: Buffer | null, cert: Buffer | null];

async function readCredential(path: string | undefined): Promise<Buffer | null> {
  try {
    return path === undefined ? null : await readFile(path);
  } catch (error) {
    throw unavailable(`cannot read ${path}: ${(error as Error).message}`, "CREDENTIALS_UNREADABLE", error);
  }
}

function sameFiles(a: TlsFiles, b: TlsFiles): boolean {
  return a.every((file, i) => file === b[i] || (file !== null && b[i]?.equals(file)));
}

/** A channel to one server. It closes when it was retired and the last one that uses it releases it. */
export class Connection {
  readonly channel: Channel;
  readonly #files: TlsFiles;
  #users = 0;
  #retired = false;

  constructor(target: Target, files: TlsFiles, serverName: string | undefined, progressMs: number) {
    const options: ChannelOptions = { ...CHANNEL_OPTIONS, ...keepalive(progressMs) };
    if (serverName !== undefined) {
      options["grpc.ssl_target_name_override"] = options["grpc.default_authority"] = serverName;
    }
    this.channel = new Channel(
      target.address, target.tls ? credentials.createSsl(...files) : credentials.createInsecure(), options);
    this.#files = files;
  }

  isMadeWith(files: TlsFiles): boolean {
    return sameFiles(this.#files, files);
  }

  take(): this {
    this.#users++;
    return this;
  }

  release(): void {
    this.#users--;
    this.#closeIfUnused();
  }

  retire(): void {
    this.#retired = true;
    this.#closeIfUnused();
  }

  #closeIfUnused(): void {
    if (this.#retired && this.#users === 0) {
      this.channel.close();
    }
  }
}

/**
 * One connection at a time, to the address that worked last. There is a new one after a failure, to the
 * next address, and when the files of TLS have changed.
 */
export class Connections {
  readonly #targets: Target[];
  readonly #given: Credentials;
  readonly #progressMs: number;
  #at = 0;
  #current: Connection | undefined;
  #closed = false;

  /** TypeError: an address is none. */
  constructor(addresses: readonly string[], given: Credentials, progressMs: number) {
    this.#targets = addresses.map((address) => parseTarget(address, given));
    this.#given = given;
    this.#progressMs = progressMs;
    if (this.#targets.length === 0) {
      throw new TypeError("an address is needed");
    }
  }

  /** Whoever takes a connection releases it. */
  async take(): Promise<Connection> {
    const { caFile, certFile, keyFile, serverName } = this.#given;
    const files = await Promise.all([readCredential(caFile), readCredential(keyFile), readCredential(certFile)]);
    if (this.#closed) {
      throw clientClosed();
    }
    if (!this.#current?.isMadeWith(files)) {
      this.#current?.retire();
      this.#current = undefined; // also if there cannot be another one
      this.#current = this.#connect(files, serverName);
    }
    return this.#current.take();
  }

  #connect(files: TlsFiles, serverName: string | undefined): Connection {
    try {
      return new Connection(this.#targets[this.#at] as Target, files, serverName, this.#progressMs);
    } catch (error) { // a certificate or key that is none
      throw unavailable((error as Error).message, "CREDENTIALS_UNREADABLE", error);
    }
  }

  /**
   * A call has failed on the connection. If the server is away, the next call makes another one; if it
   * has answered so itself, only where there is another address.
   */
  failed(connection: Connection, error: ConfregError): void {
    const isAway = error.code === "UNAVAILABLE" && (this.#targets.length > 1 || !isAnswer(error));
    if (isAway && connection === this.#current) {
      this.#at = (this.#at + 1) % this.#targets.length;
      this.#current = undefined;
      connection.retire();
    }
  }

  async metadata(): Promise<Metadata> {
    const metadata = new Metadata();
    const token = (await readCredential(this.#given.tokenFile))?.toString().trim() ?? this.#given.token;
    if (token !== undefined) {
      if (!/^[\x21-\x7e]+$/.test(token)) { // said without the token
        throw unavailable("the token is empty or has a character that no token has", "CREDENTIALS_UNREADABLE");
      }
      metadata.set("authorization", `Bearer ${token}`);
    }
    return metadata;
  }

  close(): void {
    this.#closed = true;
    this.#current?.retire();
    this.#current = undefined;
  }
}

/** What calls of a closed client end with. */
export function clientClosed(): ConfregError {
  return new ConfregError("the client was closed", { code: "CANCELLED", reason: "CLIENT_CLOSED" });
}
