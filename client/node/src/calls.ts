import { setTimeout as delay } from "node:timers/promises";
import type { Metadata, ServiceError } from "@grpc/grpc-js";
import { Backoff } from "./backoff.js";
import { clientClosed, type Connection, type Connections } from "./connections.js";
import { errorOf, type ConfregError } from "./errors.js";
import { Scope } from "./scope.js";

/** Of one call. */
export interface CallOptions {
  /** For the call with its repeats, in ms; otherwise that of the client. */
  timeoutMs?: number;
  /** Rejects the call with the signal's reason. */
  signal?: AbortSignal;
}

/** A method of RegistryServiceService that is answered once. */
export interface Method<Request, Response> {
  readonly path: string;
  readonly responseStream: false;
  readonly requestSerialize: (value: Request) => Buffer;
  readonly responseDeserialize: (value: Buffer) => Response;
}

/** Everything else is an answer. A repeat does no harm: every write has a request_id. */
function mayRepeat(error: ConfregError): boolean {
  return error.code === "UNAVAILABLE";
}

/** Makes calls with deadlines, and repeats them. */
export class Calls {
  readonly #connections: Connections;
  readonly #timeoutMs: number;
  readonly #repeat: boolean;
  readonly #open = new Set<Scope>();
  #closed = false;

  constructor(connections: Connections, timeoutMs: number, repeat: boolean) {
    this.#connections = connections;
    this.#timeoutMs = timeoutMs;
    this.#repeat = repeat;
  }

  async run<Request, Response>(method: Method<Request, Response>, request: Request,
    options: CallOptions): Promise<Response> {
    const scope = new Scope(options.signal);
    this.#open.add(scope);
    if (this.#closed) {
      scope.abort(clientClosed());
    }
    try {
      const deadline = Date.now() + (options.timeoutMs ?? this.#timeoutMs);
      return await this.#repeatUntil(method, request, deadline, scope.signal);
    } catch (error) {
      scope.signal.throwIfAborted(); // that is why
      throw error;
    } finally {
      this.#open.delete(scope);
      scope.dispose();
    }
  }

  async #repeatUntil<Request, Response>(method: Method<Request, Response>, request: Request, deadline: number,
    signal: AbortSignal): Promise<Response> {
    const backoff = new Backoff();
    for (;;) {
      try {
        return await this.#once(method, request, deadline, signal);
      } catch (failure) {
        const error = errorOf(failure);
        const wait = backoff.next(error.retryAfterMs);
        if (!this.#repeat || !mayRepeat(error) || Date.now() + wait >= deadline) {
          throw error;
        }
        await delay(wait, undefined, { signal });
      }
    }
  }

  async #once<Request, Response>(method: Method<Request, Response>, request: Request, deadline: number,
    signal: AbortSignal): Promise<Response> {
    const metadata = await this.#connections.metadata();
    const connection = await this.#connections.take();
    try {
      return await send(connection, method, request, metadata, deadline, signal);
    } catch (failure) {
      const error = errorOf(failure);
      this.#connections.failed(connection, error);
      throw error;
    } finally {
      connection.release();
    }
  }

  /** Rejects the calls that are open, and all that follow. */
  close(): void {
    this.#closed = true;
    for (const scope of this.#open) {
      scope.abort(clientClosed());
    }
  }
}

function send<Request, Response>(connection: Connection, method: Method<Request, Response>, request: Request,
  metadata: Metadata, deadline: number, signal: AbortSignal): Promise<Response> {
  return new Promise<Response>((resolve, reject) => {
    signal.throwIfAborted();
    const cancel = (): void => call.cancel();
    const call = connection.channel.makeUnaryRequest(
      method.path, method.requestSerialize, method.responseDeserialize, request, metadata, { deadline },
      (error: ServiceError | null, response?: Response) => {
        signal.removeEventListener("abort", cancel);
        if (error === null) {
          resolve(response as Response);
        } else {
          reject(error);
        }
      });
    signal.addEventListener("abort", cancel);
  });
}
