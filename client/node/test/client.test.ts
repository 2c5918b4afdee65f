import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { Client, ConfregError, LosslessNumber, type Code, type Config } from "confreg";
import { ListCommitsRequest, RegistryServiceService } from "confreg/proto";
import { BUILD, folder, freePort, newName, openssl, Server, until } from "./server.js";

let server: Server;
let client: Client;

before(async () => {
  server = await Server.start();
  client = server.client({ author: "ada" });
});

/** For assert.rejects. */
function failure(code: Code, reason = ""): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof ConfregError, String(error));
    assert.deepEqual([error.code, error.reason], [code, reason], error.message);
    return true;
  };
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) {
    found.push(item);
  }
  return found;
}

test("writes and reads", async () => {
  const name = newName();
  const environment = "prod";
  const created = (await client.create(name, { pool: 10 }, { environment, comment: "first" })).config as Config;
  assert.deepEqual([created.version, created.data, created.author, created.comment, created.kind],
    [1n, { pool: 10 }, "ada", "first", "create"]);
  assert.ok(Date.now() - created.createdAt.getTime() < 60_000);
  await client.update(name, { pool: 20 }, { environment, expectedVersion: created.version, author: "bob" });
  await client.patch(name, { host: "a" }, { environment, expectedVersion: "2" });
  const { config, position } = await client.patch(name, [{ op: "replace", path: "/pool", value: 30 }], { environment });
  assert.deepEqual(config?.data, { pool: 30, host: "a" });
  assert.deepEqual(await client.get(name, { environment, after: position }), config);
  assert.deepEqual((await client.get(name, { environment, version: 1 })).data, { pool: 10 });
  const { changed, added, jsonPatch } = await client.diff(name, { environment, oldVersion: 1 });
  assert.deepEqual([changed, added], [{ pool: { before: 10, after: 30 } }, { host: "a" }]);
  assert.ok(Array.isArray(jsonPatch));
  assert.deepEqual((await client.rollback(name, { environment })).config?.sourceVersion, 3n);
  assert.equal((await client.delete(name, { environment })).deletedCount, 5n);
  await assert.rejects(client.get(name, { environment }), failure("NOT_FOUND", "CONFIG_NOT_FOUND"));
  assert.deepEqual((await client.undelete(name, { environment })).config?.data, { pool: 20, host: "a" });
  const versions = await all(client.history(name, { environment, pageSize: 2 }));
  assert.deepEqual(versions.map(({ kind, environment }) => `${environment} ${kind}`),
    ["undelete", "rollback", "update", "update", "update", "create"].map((kind) => `prod ${kind}`));
});

test("conditions and refusals", async () => {
  const name = newName();
  await client.create(name, { n: 1 });
  await assert.rejects(client.create(name, { n: 1 }), failure("ALREADY_EXISTS", "CONFIG_EXISTS"));
  await assert.rejects(client.update(name, { n: 2 }, { expectedVersion: 7n }), (error) => {
    failure("ABORTED", "VERSION_MISMATCH")(error);
    assert.equal((error as ConfregError).details["current_version"], "1");
    return true;
  });
  await assert.rejects(client.get(""), (error) => {
    failure("INVALID_ARGUMENT", "NAME_EMPTY")(error);
    assert.equal((error as ConfregError).field, "service_name");
    return true;
  });
  await assert.rejects(client.update(newName(), { n: 1 }), failure("NOT_FOUND", "CONFIG_NOT_FOUND"));
  assert.equal((await client.update(newName(), { n: 1 }, { allowMissing: true })).config?.version, 1n);
  assert.equal((await client.delete(newName(), { allowMissing: true })).deletedCount, 0n);
  const { diff, config } = await client.update(name, { n: 2 }, { validateOnly: true });
  assert.deepEqual([diff?.changed, config?.version], [{ n: { before: 1, after: 2 } }, 2n]);
  assert.equal((await client.get(name)).version, 1n, "nothing was changed");
});

test("a repeat with the same request id is one write", async () => {
  const name = newName();
  const requestId = newName();
  const [first, second] = await Promise.all([1, 2].map(() => client.create(name, { n: 1 }, { requestId })));
  assert.deepEqual(first, second);
  assert.equal((await client.get(name)).version, 1n);
});

test("numbers as they are asked for", async () => {
  const name = newName();
  const exact = server.client({ numbers: "exact" });
  const data = { big: 9223372036854775807n, fine: new LosslessNumber("0.10000000000000000555"), n: 1.5, i: 7 };
  try {
    const { config } = await exact.create(name, { ...data, "__proto__x": null });
    assert.equal(config?.text,
      '{"big":9223372036854775807,"fine":0.10000000000000000555,"n":1.5,"i":7,"__proto__x":null}');
    assert.deepEqual((await exact.get(name)).data, { ...data, "__proto__x": null });
    assert.equal((await client.get(name)).data?.["big"], 9223372036854775807);
  } finally {
    await exact.close();
  }
  assert.throws(() => client.create(newName(), { n: NaN }), TypeError);
});

test("lists and batches", async () => {
  const prefix = newName();
  const names = [1, 2, 3].map((n) => `${prefix}-${n}`);
  await Promise.all(names.map((name, n) => client.create(name, { n })));
  const found = await all(client.list({ prefix, pageSize: 2 }));
  assert.deepEqual(found.map(({ serviceName, data }) => [serviceName, data?.["n"]]), names.map((name, n) => [name, n]));
  const basic = await all(client.list({ prefix, data: false }));
  assert.deepEqual(basic.map(({ payload, data }) => [payload, data]), names.map(() => ["omitted", undefined]));
  const many = await client.getMany([...names, newName()].map((serviceName) => ({ serviceName })));
  assert.deepEqual(many.map(({ serviceName }) => serviceName), names);
  const response = await client.call(RegistryServiceService.listCommits,
    ListCommitsRequest.fromPartial({ serviceNamePrefix: prefix }));
  assert.equal(response.commits.length, 3);
});

test("calls are repeated while the server is away", async () => {
  const late = await Server.make();
  const waiting = late.client();
  try {
    const created = waiting.create("billing", { n: 1 });
    const denied = new Client(late.address, { repeat: false });
    await assert.rejects(denied.get("billing"), failure("UNAVAILABLE"));
    await denied.close();
    await late.start();
    assert.equal((await created).config?.version, 1n);
    await late.stop("SIGKILL");
    await assert.rejects(waiting.get("billing", { timeoutMs: 300 }), (error) =>
      ["UNAVAILABLE", "DEADLINE_EXCEEDED"].includes((error as ConfregError).code));
    await late.start();
    assert.equal((await waiting.get("billing")).version, 1n);
  } finally {
    await waiting.close();
    await late.stop();
  }
});

test("the next address is used while one is away", async () => {
  const several = new Client([`127.0.0.1:${await freePort()}`, server.address]);
  const name = newName();
  assert.equal((await several.create(name, {})).config?.version, 1n);
  await several.close();
  assert.throws(() => new Client("nowhere"), TypeError);
});

test("a frozen server, a deadline and a signal", async () => {
  const frozen = await Server.start();
  const asking = frozen.client();
  try {
    await assert.rejects(asking.get("billing"), failure("NOT_FOUND", "CONFIG_NOT_FOUND"));
    frozen.send("SIGSTOP");
    await assert.rejects(asking.get("billing", { timeoutMs: 100 }), failure("DEADLINE_EXCEEDED"));
    const abort = new AbortController();
    const calls = Array.from({ length: 20 }, () => asking.get("billing", { signal: abort.signal }));
    abort.abort(new Error("no longer wanted"));
    for (const outcome of await Promise.allSettled(calls)) {
      assert.equal(outcome.status === "rejected" && (outcome.reason as Error).message, "no longer wanted");
    }
    await assert.rejects(asking.get("billing", { signal: AbortSignal.abort() }), { name: "AbortError" });
    const open = asking.get("billing");
    await asking.close();
    await assert.rejects(open, failure("CANCELLED", "CLIENT_CLOSED"));
    await assert.rejects(asking.get("billing"), failure("CANCELLED", "CLIENT_CLOSED"));
  } finally {
    await frozen.stop();
  }
});

test("a token does not cross the network in the clear", async () => {
  for (const address of ["registry.example:50051", "grpc://192.0.2.1:1", "[2001:db8::1]:1", "127.0.0.1.example:1"]) {
    for (const given of [{ token: "cfr_secret" }, { tokenFile: "/nowhere" }]) {
      assert.throws(() => new Client(address, given), { name: "TypeError", message: /in the clear/ });
      await new Client(address, { ...given, tokenInClear: true }).close();
      await new Client(address, { ...given, tls: true }).close();
    }
  }
  for (const address of ["localhost:1", "127.0.0.1:1", "[::1]:1", "unix:/x"]) {
    await new Client(address, { token: "cfr_secret" }).close();
  }
});

test("TLS and tokens, which are read again", async () => {
  const own = folder();
  const file = (name: string): string => join(own, name);
  openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
    "/CN=confregd", "-addext", "subjectAltName=DNS:registry.example", "-keyout", file("key"), "-out", file("cert"));
  const token = (name: string, ...rights: string[]): Buffer => execFileSync(join(BUILD, "confregd"),
    ["access", "token", name, ...rights, "--access", file("access.json")]);
  writeFileSync(file("ada"), token("ada", "--role", "super-admin"));
  const secure = await Server.start(
    "--tls-cert", file("cert"), "--tls-key", file("key"), "--access", file("access.json"));
  const tls = { caFile: file("cert"), serverName: "registry.example" };
  const reading = secure.client({ ...tls, tokenFile: file("token") });
  const ada = secure.client({ ...tls, token: readFileSync(file("ada"), "utf8").trim() });
  try {
    await ada.create("billing", { n: 1 });
    await assert.rejects(reading.get("billing", { timeoutMs: 300 }), failure("UNAVAILABLE", "CREDENTIALS_UNREADABLE"));
    writeFileSync(file("token"), "wrong\n");
    await assert.rejects(reading.get("billing"), failure("UNAUTHENTICATED", "CREDENTIALS_INVALID"));
    writeFileSync(file("token"), "wr\nong");
    await assert.rejects(reading.get("billing", { timeoutMs: 300 }), (error) => !String(error).includes("ong"));
    writeFileSync(file("new"), token("billing", "--role", "reader", "--service", "billing"));
    renameSync(file("new"), file("token"));
    await until(() => reading.get("billing").then(() => true, () => false), "the new token is in force");
    await assert.rejects(reading.create("billing", {}), failure("PERMISSION_DENIED", "NOT_ALLOWED"));
  } finally {
    await Promise.all([ada.close(), reading.close()]);
    await secure.stop();
  }
});

// Not by after(), which Node 18 runs only when nothing else keeps the process alive.
test("the end", async () => {
  await client.close();
  await server.stop();
});
