// A client of confreg in TypeScript, as an example and as a test: it creates a config, changes it on
// condition, and watches it over a restart of the server.
//
//     npm ci && PROTOS=../../../proto npm run generate && npm run build && npm start 127.0.0.1:50051

import { promisify } from "node:util";
import { credentials, status, type ServiceError } from "@grpc/grpc-js";
import {
  RegistryServiceClient, UpdateConfigRequest, CreateConfigRequest, WatchRequest, WatchResponse,
  WatchResponseKind, type CreateConfigResponse, type UpdateConfigResponse,
} from "./gen/confreg/v1/registry_service.js";
import { Status } from "./gen/google/rpc/status.js";
import { ErrorInfo } from "./gen/google/rpc/error_details.js";

const environment = "prod";
const serviceName = "client-node";
const lastVersion = 4; // the test writes versions 3 and 4

const client = new RegistryServiceClient(process.argv[2], credentials.createInsecure());

const create = promisify<CreateConfigRequest, CreateConfigResponse>(client.createConfig.bind(client));
const update = promisify<UpdateConfigRequest, UpdateConfigResponse>(client.updateConfig.bind(client));

function pool(size: number, expectedVersion: number) {
  return update(UpdateConfigRequest.fromPartial({
    environment, serviceName, expectedVersion, mergePatch: Buffer.from(JSON.stringify({ pool: size })),
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
    environment, serviceName, configData: Buffer.from('{"pool":10}'), createdBy: "ada",
  }));
  console.log("created", created.config!.version, created.config!.createdBy);

  // Somebody else has changed it meanwhile, as far as this write knows.
  const conflict = await pool(20, 7).catch((error: ServiceError) => error);
  if (!(conflict instanceof Error) || conflict.code !== status.ABORTED) {
    throw new Error(`a conflict was due, not ${conflict}`);
  }
  const info = errorInfo(conflict)!;
  console.log("conflict", info.reason, info.metadata.current_version);

  const updated = await pool(20, created.config!.version);
  console.log("updated", updated.config!.version);
}

/**
 * Watches until the last version has come. The token of a header is the position to resume after: a
 * number of JavaScript cannot hold the 64 bits of the hash.
 */
async function follow() {
  const request = WatchRequest.fromPartial({
    selectors: [{ environment, serviceName }], includeSnapshot: true,
  });
  for (;;) {
    const stream = client.watch(request, { deadline: Date.now() + 120_000 });
    try {
      for await (const response of stream as AsyncIterable<WatchResponse>) {
        for (const config of response.configs) {
          console.log("snapshot", config.version, config.configData.toString());
        }
        for (const event of response.events) {
          console.log("event", event.version, event.config?.configData.toString());
          if (event.version === lastVersion) {
            return;
          }
        }
        if (response.header!.revision > 0) { // 0: the snapshot is not complete
          request.includeSnapshot = false;
          request.resumeAfter = { epoch: "", revision: 0, chainHash: "0", token: response.header!.token };
        }
        if (response.kind === WatchResponseKind.WATCH_RESPONSE_KIND_SNAPSHOT_END) {
          console.log("watching");
        }
      }
    } catch (error) {
      if ((error as ServiceError).code !== status.UNAVAILABLE) {
        throw error;
      }
      console.log("interrupted");
      await new Promise((done) => client.waitForReady(Date.now() + 60_000, done));
    } finally {
      stream.on("error", () => {}).cancel(); // leaving the loop does not end the call
    }
  }
}

await write();
await follow();
client.close();
