import { randomUUID } from "node:crypto";
import { Calls, type CallOptions, type Method } from "./calls.js";
import { Connections, type Credentials } from "./connections.js";
import { formatJson, type Numbers } from "./json.js";
import {
  configOf, diffOf, positionOf, versionOf, writeResultOf, type Config, type Diff, type Position, type WriteResult,
} from "./models.js";
import * as proto from "./proto.js";
import { RegistryServiceService as service } from "./proto.js";
import { SharedWatches } from "./shared.js";
import { Watch, type WatchOptions } from "./watch.js";

/** A 64-bit number: a bigint, a text of digits, or a number that holds it. */
export type Int64 = bigint | string | number;

export interface ClientOptions extends Credentials {
  /** Of writes that name no other one: the API's created_by. */
  author?: string;
  /** For a call with its repeats, in ms: 10,000. */
  timeoutMs?: number;
  /** Call again while the server is away, until the timeout: true. */
  repeat?: boolean;
  /** How numbers of configs are read: "number". */
  numbers?: Numbers;
  /**
   * Watches ask for a sign of life this often, in ms: 6,000, of 100 to 10,000. They give a stream up after four
   * intervals without one, and after 30 s at most. Connections are pinged every two, which the server allows
   * every 10 s.
   */
  progressMs?: number;
  /**
   * What a snapshot or a commit may hold in memory that is not complete, in bytes: 268,435,456 (256 MiB). Each
   * config and change counts with its message and 1 KiB. A watch beyond it is interrupted by RESOURCE_EXHAUSTED,
   * reason WATCH_TOO_LARGE, and tries again.
   */
  maxWatchBytes?: number;
}

/** The config that is meant; environment: "default". */
export interface NameOptions extends CallOptions {
  environment?: string;
}

export interface GetOptions extends NameOptions {
  /** Not the head but this version. */
  version?: Int64;
  /** Merged over the config of the environment "default". */
  resolve?: boolean;
  /** Also a version of a deleted config, or from before a delete. */
  includeDeleted?: boolean;
  /** At least as new as this position, such as that of a write. */
  after?: Position;
  /** Includes every write that any node acknowledged before. */
  linearizable?: boolean;
}

export interface ListOptions extends CallOptions {
  /** Filters; what is absent or empty fits everything. */
  environment?: string;
  serviceName?: string;
  prefix?: string;
  /** Those that are deleted, instead. */
  deleted?: boolean;
  /** With payloads: true. */
  data?: boolean;
  pageSize?: number;
}

export interface HistoryOptions extends NameOptions {
  includeDeleted?: boolean;
  /** With payloads: true. */
  data?: boolean;
  pageSize?: number;
}

export interface DiffOptions extends NameOptions {
  /** Absent, both: the last two versions. */
  oldVersion?: Int64;
  newVersion?: Int64;
  /** Compare with this environment. */
  newEnvironment?: string;
}

export interface WriteOptions extends NameOptions {
  comment?: string;
  /** Otherwise that of the client. */
  author?: string;
  /** A repeat with the same id is answered as the first one was. One is made where none is given. */
  requestId?: string;
  /** Check everything and change nothing. */
  validateOnly?: boolean;
}

export interface ValueOptions extends WriteOptions {
  /** Write it although it looks like a secret. */
  allowSecrets?: boolean;
}

/** Conditions: ABORTED if the head is another one. */
export interface Expected {
  expectedVersion?: Int64;
  expectedRevision?: Int64;
  /** Of expectedRevision. */
  expectedEpoch?: string;
}

export interface UpdateOptions extends ValueOptions, Expected {
  /** Create the config where there is none. */
  allowMissing?: boolean;
}

export interface DeleteOptions extends WriteOptions, Expected {
  /** Erase this version only. */
  version?: Int64;
  /** With the whole config: remove the payloads of all its versions. */
  erase?: boolean;
  /** That there is nothing to delete is no error. */
  allowMissing?: boolean;
}

export interface RollbackOptions extends ValueOptions, Expected {
  /** Absent: the version before the head, which undoes the last change. */
  version?: Int64;
}

export interface UndeleteOptions extends ValueOptions, Omit<Expected, "expectedVersion"> {
  /** Absent: the last version that it had. */
  version?: Int64;
}

interface Page<T> {
  items: T[];
  nextPageToken: string;
}

const MANY = 1000; // names in a batch

/** A stream is given up after this many intervals of progress marks without one, and after this time. */
const SILENT_INTERVALS = 4;
const MOST_SILENCE_MS = 30_000;

/** A client of the registry. It connects when it is used; close() ends all that it does. */
export class Client {
  readonly #connections: Connections;
  readonly #calls: Calls;
  readonly #watches = new Set<Watch>();
  readonly #shared: SharedWatches;
  readonly #author: string;
  readonly numbers: Numbers;

  /**
   * @param addresses "HOST:PORT", "grpcs://HOST:PORT" or "unix:PATH"; of several, the next one is used
   * while one is away. TypeError: one is no address.
   */
  constructor(addresses: string | readonly string[], options: ClientOptions = {}) {
    const { progressMs = 6000, maxWatchBytes = 256 << 20 } = options;
    if (!(progressMs >= 100 && progressMs <= 10_000)) {
      throw new TypeError("progressMs is from 100 to 10,000");
    }
    this.#connections = new Connections(
      typeof addresses === "string" ? addresses.split(",") : addresses, options, progressMs);
    this.#calls = new Calls(this.#connections, options.timeoutMs ?? 10_000, options.repeat ?? true);
    this.#author = options.author ?? "";
    this.numbers = options.numbers ?? "number";
    this.#shared = new SharedWatches({
      connections: this.#connections, numbers: this.numbers, maxWatchBytes, progressMs,
      silenceMs: Math.min(SILENT_INTERVALS * progressMs, MOST_SILENCE_MS),
    });
  }

  /** Ends all watches, rejects the calls that are open, and closes the connections. */
  async close(): Promise<void> {
    this.#calls.close();
    this.#connections.close();
    await Promise.all([...this.#watches].map((watch) => watch.close()));
  }

  /**
   * Calls any method, such as RegistryServiceService.listCommits of "confreg/proto", with a message that is
   * generated. It is repeated while the server is away: give writes a requestId.
   */
  call<Request, Response>(method: Method<Request, Response>, request: Request,
    options: CallOptions = {}): Promise<Response> {
    return this.#calls.run(method, request, options);
  }

  // ---- Reads ----

  /** The config's head, or a version of it. */
  async get(serviceName: string, options: GetOptions = {}): Promise<Config> {
    return (await this.getWithPosition(serviceName, options)).config;
  }

  /** As get, with the position that the answer is as of. */
  async getWithPosition(serviceName: string,
    options: GetOptions = {}): Promise<{ config: Config; position: Position }> {
    const { environment, version, resolve, includeDeleted, after, linearizable } = options;
    const { config, header } = await this.call(service.getConfig, proto.GetConfigRequest.fromPartial({
      environment, serviceName, version, resolve, includeDeleted,
      read: {
        minRevision: after?.revision, epoch: after?.epoch,
        consistency: linearizable ? proto.Consistency.CONSISTENCY_LINEARIZABLE : undefined,
      },
    }), options);
    return { config: configOf(config ?? proto.Config.fromPartial({}), this.numbers), position: positionOf(header) };
  }

  /** Those of these configs that exist and may be read. */
  async getMany(names: readonly { serviceName: string; environment?: string }[],
    options: CallOptions = {}): Promise<Config[]> {
    const found: Config[] = [];
    for (let left = names; left.length > 0;) {
      const response = await this.call(service.batchGetConfigs, proto.BatchGetConfigsRequest.fromPartial({
        names: left.slice(0, MANY), includeLarge: true,
      }), options);
      found.push(...response.configs.map((config) => configOf(config, this.numbers)));
      left = [...response.unprocessed, ...left.slice(MANY)];
    }
    return found;
  }

  /** All configs that fit, as of one revision. */
  list(options: ListOptions = {}): AsyncGenerator<Config, undefined> {
    const { environment, serviceName, prefix, deleted, data, pageSize } = options;
    return this.#pages(async (pageToken) => {
      const response = await this.call(service.listConfigs, proto.ListConfigsRequest.fromPartial({
        environment, serviceName, serviceNamePrefix: prefix, onlyDeleted: deleted, view: viewOf(data), pageSize,
        pageToken, includeLarge: true,
      }), options);
      return { ...response, items: response.configs.map((config) => configOf(config, this.numbers)) };
    });
  }

  /** The versions of a config, newest first. */
  history(serviceName: string, options: HistoryOptions = {}): AsyncGenerator<Config, undefined> {
    const { environment = "default", includeDeleted, data, pageSize } = options;
    return this.#pages(async (pageToken) => {
      const response = await this.call(service.listVersions, proto.ListVersionsRequest.fromPartial({
        environment, serviceName, includeDeleted, view: viewOf(data), pageSize, pageToken, includeLarge: true,
      }), options);
      return {
        ...response,
        items: response.versions.map((version) => versionOf(version, environment, serviceName, this.numbers)),
      };
    });
  }

  /** A page may be empty and have a successor: the server bounds the work of a call. */
  async *#pages<T>(page: (pageToken: string) => Promise<Page<T>>): AsyncGenerator<T, undefined> {
    let pageToken = "";
    do {
      const { items, nextPageToken } = await page(pageToken);
      yield* items;
      pageToken = nextPageToken;
    } while (pageToken !== "");
    return undefined;
  }

  /** The difference between two versions, or between two environments. */
  async diff(serviceName: string, options: DiffOptions = {}): Promise<Diff> {
    const { environment, oldVersion, newVersion, newEnvironment } = options;
    const { diff } = await this.call(service.diffVersions, proto.DiffVersionsRequest.fromPartial({
      environment, serviceName, oldVersion, newVersion, newEnvironment,
    }), options);
    return diffOf(diff ?? proto.Diff.fromPartial({}), this.numbers);
  }

  // ---- Writes ----

  /** Makes a config. ALREADY_EXISTS: it is there. */
  create(serviceName: string, data: object, options: ValueOptions = {}): Promise<WriteResult> {
    return this.#write(service.createConfig, proto.CreateConfigRequest.fromPartial({
      ...this.#common(serviceName, options), allowSecrets: options.allowSecrets, configData: formatJson(data),
    }), options);
  }

  /** Replaces the value. */
  update(serviceName: string, data: object, options: UpdateOptions = {}): Promise<WriteResult> {
    return this.#update(serviceName, { configData: formatJson(data) }, options);
  }

  /** Changes parts of the value: by an RFC 7396 merge patch (an object), or an RFC 6902 patch (an array). */
  patch(serviceName: string, patch: object, options: UpdateOptions = {}): Promise<WriteResult> {
    const content = formatJson(patch);
    return this.#update(serviceName, Array.isArray(patch) ? { jsonPatch: content } : { mergePatch: content }, options);
  }

  #update(serviceName: string, content: { configData?: Buffer; mergePatch?: Buffer; jsonPatch?: Buffer },
    options: UpdateOptions): Promise<WriteResult> {
    return this.#write(service.updateConfig, proto.UpdateConfigRequest.fromPartial({
      ...this.#common(serviceName, options), ...expectedOf(options), ...content,
      allowMissing: options.allowMissing, allowSecrets: options.allowSecrets,
    }), options);
  }

  /** Deletes a config, or erases one version of it. */
  delete(serviceName: string, options: DeleteOptions = {}): Promise<WriteResult> {
    const { version, erase, allowMissing } = options;
    return this.#write(service.deleteConfig, proto.DeleteConfigRequest.fromPartial({
      ...this.#common(serviceName, options), ...expectedOf(options), version, erase, allowMissing,
    }), options);
  }

  /** Adds a version with the payload of an older one. */
  rollback(serviceName: string, options: RollbackOptions = {}): Promise<WriteResult> {
    const { version, allowSecrets } = options;
    return this.#write(service.rollbackConfig, proto.RollbackConfigRequest.fromPartial({
      ...this.#common(serviceName, options), ...expectedOf(options), version, allowSecrets,
    }), options);
  }

  /** Brings a deleted config back, with its history. */
  undelete(serviceName: string, options: UndeleteOptions = {}): Promise<WriteResult> {
    const { version, allowSecrets, expectedRevision, expectedEpoch } = options;
    return this.#write(service.undeleteConfig, proto.UndeleteConfigRequest.fromPartial({
      ...this.#common(serviceName, options), version, allowSecrets, expectedRevision, expectedEpoch,
    }), options);
  }

  #common(serviceName: string, options: WriteOptions): object {
    const { environment, comment, author = this.#author, requestId = randomUUID(), validateOnly } = options;
    return { environment, serviceName, comment, createdBy: author, requestId, validateOnly, includeLarge: true };
  }

  async #write<Request>(method: Method<Request, Parameters<typeof writeResultOf>[0]>, request: Request,
    options: CallOptions): Promise<WriteResult> {
    return writeResultOf(await this.call(method, request, options), this.numbers);
  }

  // ---- Watches ----

  /**
   * Iterate over it: the state of all that is selected, then every change of it. TypeError: the options cannot
   * be meant.
   */
  watch(options: WatchOptions = {}): Watch {
    const watch = new Watch(this.#shared, options, (closed) => this.#watches.delete(closed));
    this.#watches.add(watch);
    return watch;
  }
}

function viewOf(data = true): proto.View {
  return data ? proto.View.VIEW_UNSPECIFIED : proto.View.VIEW_BASIC;
}

function expectedOf({ expectedVersion, expectedRevision, expectedEpoch }: Expected): Expected {
  return { expectedVersion, expectedRevision, expectedEpoch };
}
