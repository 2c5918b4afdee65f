// A server that does what real ones seldom do.

import assert from "node:assert/strict";
import { ServerCredentials, Server as Scripted, type ServerWritableStream } from "@grpc/grpc-js";
import { Client, type ClientOptions, type Update, type Watch } from "confreg";
import {
  RegistryServiceService as service, WatchResponse, WatchResponseKind, type DeepPartial, type WatchRequest,
} from "confreg/proto";

export async function next(watch: Watch): Promise<Update> {
  const { value } = await watch.next();
  assert.ok(value, "the watch has ended");
  return value;
}

export type Stream = ServerWritableStream<WatchRequest, WatchResponse>;

export const {
  WATCH_RESPONSE_KIND_STARTED: STARTED, WATCH_RESPONSE_KIND_SNAPSHOT: SNAPSHOT, WATCH_RESPONSE_KIND_SNAPSHOT_END: END,
  WATCH_RESPONSE_KIND_EVENTS: EVENTS, WATCH_RESPONSE_KIND_PROGRESS: PROGRESS,
} = WatchResponseKind;
export const UNKNOWN = WatchResponseKind.UNRECOGNIZED;

export function send(stream: Stream, response: DeepPartial<WatchResponse>): void {
  stream.write(WatchResponse.fromPartial(response));
}

export function snapshot(stream: Stream, revision: bigint, n: number, filtered: boolean): void {
  const config = { environment: "prod", serviceName: "a", version: 1n, revision: 1n, modRevision: 1n };
  const configData = Buffer.from(`{"n":${n}}`);
  send(stream, { kind: SNAPSHOT, filtered, header: {}, configs: [{ ...config, configData }] });
  send(stream, { kind: END, filtered, header: { revision, token: `t${revision}` } });
}

/** A client of a server that plays one script a stream, and the requests of the streams. A server without
 * progress marks counts as silent after 40 s; options may make that shorter. */
export async function scripted(scripts: ((stream: Stream) => void)[], options: ClientOptions = {}): Promise<{
  client: Client; requests: WatchRequest[]; stop: () => void;
}> {
  const requests: WatchRequest[] = [];
  const acting = new Scripted();
  const watch = (stream: Stream): void => {
    requests.push(stream.request);
    scripts[requests.length - 1]?.(stream);
  };
  acting.addService(service, { watch });
  const port = await new Promise<number>((resolve, reject) => {
    acting.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(),
      (error, bound) => error ? reject(error) : resolve(bound));
  });
  const client = new Client(`127.0.0.1:${port}`, { progressMs: 10_000, ...options });
  return { client, requests, stop: () => acting.forceShutdown() };
}
