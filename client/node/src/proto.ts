/** The generated messages of the API, and the service, for Client.call. */

export * from "./gen/confreg/v1/registry.js";
export * from "./gen/confreg/v1/registry_service.js";
// Both files have these.
export {
  protobufFileName, protobufPackage, type DeepPartial, type MessageFns,
} from "./gen/confreg/v1/registry_service.js";
