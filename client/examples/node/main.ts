// A client of confreg in TypeScript, on generated code, as an example and as a test: it creates a config,
// reads it, changes it on condition, and watches it over a restart of the server. Programs that need no code
// of their own for this take the package in client/node.
//
//     npm ci && PROTOS=../../../proto npm run generate && npm run build && npm start 127.0.0.1:50051
//     npm start registry.example:50051 ca.pem token    # with TLS and a token

import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { credentials, Metadata, status, type ServiceError } from "@grpc/grpc-js";
import { Event, Position } from "./gen/confreg/v1/registry.js";
import {
  RegistryServiceClient, CreateConfigRequest, GetConfigRequest, UpdateConfigRequest, WatchRequest, WatchResponse,
  WatchResponseKind, type CreateConfigResponse, type GetConfigResponse, type UpdateConfigResponse,
} from "./gen/confreg/v1/registry_service.js";
import { Status } from "./gen/google/rpc/status.js";
import { ErrorInfo } from "./gen/google/rpc/error_details.js";

const environment = "prod";
const serviceName = "client-node";
const lastVersion = 4; // the test writes versions 3 and 4
const firstWait = 200;
const mostWait = 5000;

const [address, caFile, tokenFile] = process.argv.slice(2);

// The token is read for each call, so it may be replaced.
const token = credentials.createFromMetadataGenerator((_, done) => {
  readFile(tokenFile, "utf8").then((text) => {
    const metadata = new Metadata();
    metadata.set("authorization", `Bearer ${text.trim()}`);
    done(null, metadata);
  }, done);
});

const client = new RegistryServiceClient(address, caFile === undefined ? credentials.createInsecure()
  : credentials.combineChannelCredentials(credentials.createSsl(await readFile(caFile)), token), {
  "grpc.keepalive_time_ms": 20_000, // notices a server that hangs
  "grpc.max_reconnect_backoff_ms": 1000, // the waits are those of follow
});

const create = promisify<CreateConfigRequest, CreateConfigResponse>(client.createConfig.bind(client));
const get = promisify<GetConfigRequest, GetConfigResponse>(client.getConfig.bind(client));
const update = promisify<UpdateConfigRequest, UpdateConfigResponse>(client.updateConfig.bind(client));

/** Safe to repeat with the same request id, where the outcome is unknown. */
function pool(size: number, expectedVersion: number) {
  return update(UpdateConfigRequest.fromPartial({
    environment, serviceName, expectedVersion, requestId: randomUUID(),
    mergePatch: Buffer.from(JSON.stringify({ pool: size })),
  }));
}

/** The google.rpc.ErrorInfo of an error. */
function errorInfo(error: ServiceError): ErrorInfo | undefined {
  const [encoded] = error.metadata.get("grpc-status-details-bin");
  const details = encoded instanceof Buffer ? Status.decode(encoded).details : [];
  const detail = details.find((any) => any.typeUrl.endsWith("/google.rpc.ErrorInfo"));
  return detail && ErrorInfo.decode(detail.value);
}

async function write() {
  const created = await create(CreateConfigRequest.fromPartial({
    environment, serviceName, configData: Buffer.from('{"pool":10}'), createdBy: "ada", requestId: randomUUID(),
  }));
  console.log("created", created.config!.version, created.config!.createdBy);

  const { config } = await get(GetConfigRequest.fromPartial({ environment, serviceName }));
  console.log("read", config!.configData.toString());

  // Somebody else has changed it meanwhile, as far as this write knows.
  const conflict = await pool(20, 7).catch((error: ServiceError) => error);
  if (!(conflict instanceof Error) || conflict.code !== status.ABORTED) {
    throw new Error(`a conflict was due, not ${conflict}`);
  }
  const info = errorInfo(conflict)!;
  console.log("conflict", info.reason, info.metadata.current_version);

  const updated = await pool(20, config!.version);
  console.log("updated", updated.config!.version);
}

/**
 * Where to resume, by the token of the last header that was handled: a number of JavaScript cannot hold the
 * 64 bits of its hash. undefined: begin with a snapshot.
 */
let position: Position | undefined;

/** One stream. Returns when the last version has come. */
async function watch() {
  const stream = client.watch(WatchRequest.fromPartial({
    selectors: [{ environment, serviceName }], includeSnapshot: position === undefined, resumeAfter: position,
    progressInterval: { seconds: 10 },
  }));
  let events: Event[] = []; // of a commit that may not be complete
  try {
    for await (const { configs, events: more, kind, header, more: goesOn } of stream as AsyncIterable<WatchResponse>) {
      for (const config of configs) {
        console.log("snapshot", config.version, config.configData.toString());
      }
      if (kind === WatchResponseKind.WATCH_RESPONSE_KIND_SNAPSHOT_END) {
        console.log("watching");
      }
      events.push(...more);
      if (goesOn) {
        continue; // the commit goes on in the next response
      }
      for (const event of events) {
        console.log("event", event.version, event.config?.configData.toString());
      }
      if (header!.revision > 0) { // 0: the snapshot is not complete
        position = Position.fromPartial({ token: header!.token });
      }
      if (events.some(({ version }) => version === lastVersion)) {
        return;
      }
      events = [];
    }
    throw Object.assign(new Error("the server has ended the stream"), { code: status.UNAVAILABLE });
  } finally {
    stream.on("error", () => {}).cancel(); // leaving the loop does not end the call
  }
}

/**
 * Watches until the last version has come; no error ends it. It resumes after the last response that was
 * handled, or begins with a snapshot again where that is no longer possible (a compaction, another log), and
 * waits a random time before each attempt.
 */
async function follow() {
  for (let bound = firstWait; ; bound = Math.min(2 * bound, mostWait)) {
    const before = position;
    try {
      return await watch();
    } catch (error) {
      const { code, message } = error as ServiceError;
      if (position !== before) {
        bound = firstWait;
      }
      if (code === status.OUT_OF_RANGE || code === status.FAILED_PRECONDITION) {
        position = undefined;
      }
      console.log(`interrupted: ${message}`);
      await delay(Math.random() * bound);
    }
  }
}

await write();
await follow();
client.close();
