export { Client } from "./client.js";
export type {
  ClientOptions, DeleteOptions, DiffOptions, Expected, GetOptions, HistoryOptions, Int64, ListOptions, NameOptions,
  RollbackOptions, UndeleteOptions, UpdateOptions, ValueOptions, WriteOptions,
} from "./client.js";
export type { CallOptions, Method } from "./calls.js";
export type { Credentials } from "./connections.js";
export { ConfregError } from "./errors.js";
export type { Code, Fault } from "./errors.js";
export type { Update } from "./follow.js";
export { LosslessNumber } from "lossless-json";
export type { JsonObject, JsonValue, Numbers } from "./json.js";
export type { Change, Config, Diff, Kind, Payload, Position, WriteResult } from "./models.js";
export { Provider } from "./provider.js";
export type { ProviderEvents, ProviderOptions, State } from "./provider.js";
export type { Selector } from "./selection.js";
export { Watch } from "./watch.js";
export type { WatchOptions } from "./watch.js";
