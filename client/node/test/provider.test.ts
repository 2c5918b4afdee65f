import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { Client, ConfregError, LosslessNumber, Provider, type ProviderOptions } from "confreg";
import { folder, freePort, newName, Server, until } from "./server.js";

let server: Server;
let client: Client;
let nowhere: Client;

before(async () => {
  server = await Server.start();
  client = server.client();
  nowhere = new Client(`127.0.0.1:${await freePort()}`);
});

async function ready(serviceName: string, options: ProviderOptions = {}, of = client): Promise<Provider> {
  const provider = new Provider(of, serviceName, options);
  await provider.ready();
  return provider;
}

test("references", async () => {
  const name = newName();
  const at = folder();
  writeFileSync(join(at, "password"), "geheim \n");
  writeFileSync(join(at, "large"), Buffer.alloc((1 << 20) + 1, "x"));
  execFileSync("mkfifo", [join(at, "pipe")]);
  process.env["BILLING_HOST"] = "db-1";
  await client.create(name, {
    url: `pg://\${env:BILLING_HOST}/\${file:${at}/password}`, list: [{ deep: "${env:BILLING_HOST}" }], pool: 3,
    plain: "${x:y}", none: "${env:NOT_THERE}", device: "${file:/dev/zero}",
    large: `\${file:${at}/large}`, pipe: `\${file:${at}/pipe}`,
  });
  const kept = join(at, "kept");
  const provider = new Provider(client, name, { references: true, lastKnownGood: kept });
  const left: string[] = [];
  provider.on("failure", ({ message, reason }) => left.push(`${reason} ${message.split(" ")[0]}`));
  await provider.ready();
  assert.deepEqual({ ...provider.snapshot() }, {
    url: "pg://db-1/geheim", list: [{ deep: "db-1" }], pool: 3, plain: "${x:y}",
  });
  await until(() => left.length === 4, "what leads nowhere is told");
  assert.deepEqual(left.sort(), ["device", "large", "none", "pipe"].map((key) => `REFERENCE_BROKEN ${key}`));
  await provider.close();
  assert.ok(readFileSync(kept, "utf8").includes("${env:BILLING_HOST}"));
  assert.equal((await ready(name)).get("none"), "${env:NOT_THERE}");
});

test("values and their conversion", async () => {
  const name = newName();
  const exact = server.client({ numbers: "exact" });
  await exact.create(name, {
    text: "db-1", port: "5432", ratio: 0.5, pool: 3.9, below: -0.5, debug: "Yes", off: "off", none: null, yes: true,
    word: "abc", list: [1, { "a/b~": "deep" }], empty: [], big: 2n ** 62n, blank: " ", hex: "0x10", constructor: "own",
    fine: new LosslessNumber("1.00000000000000000001"),
  });
  const provider = await ready(name, {}, exact);
  const gives = <T>(getter: (key: string) => T, wanted: Record<string, T>): void => {
    assert.deepEqual(Object.fromEntries(Object.keys(wanted).map((key) => [key, getter(key)])), wanted);
  };
  gives((key) => provider.get(key, "else"), {
    text: "db-1", none: null, list: [1, { "a/b~": "deep" }], big: 2n ** 62n, missing: "else", toString: "else",
    "/list/1/a~1b~0": "deep", "/list/9": "else", "/list/-": "else", "/list/length": "else", "/text/x": "else",
  });
  gives((key) => provider.getString(key, "else"), {
    text: "db-1", pool: "3.9", yes: "true", big: "4611686018427387904", fine: "1.00000000000000000001", none: "else",
    list: "else", missing: "else", constructor: "own",
  });
  gives((key) => provider.getBoolean(key, true), {
    debug: true, yes: true, pool: true, list: true, big: true, fine: true, missing: true,
    off: false, word: false, none: false, empty: false, text: false,
  });
  gives((key) => provider.getInteger(key, 7), {
    port: 5432, pool: 3, yes: 1, ratio: 0, below: 0, fine: 1,
    word: 7, none: 7, list: 7, big: 7, missing: 7, blank: 7, hex: 7,
  });
  gives((key) => provider.getNumber(key, 2.5), {
    ratio: 0.5, port: 5432, big: 2 ** 62, word: 2.5, none: 2.5, blank: 2.5, hex: 2.5,
  });
  await exact.close();
  assert.equal(provider.getString("text"), "db-1", "the values stay");
});

// The same rows as of C, tests/unit/settings/test_coercion.c.
test("durations and sizes", async () => {
  const durations: [unknown, number][] = [
    [250, 250], [1.9, 1], [-1, -7], ["250", 250], ["250ms", 250], ["2s", 2000], ["1.5s", 1500], ["2m", 120000],
    ["1h30m", 5400000], ["1d", 86400000], ["1H", 3600000], ["0", 0], ["-1s", -7], ["1y", -7], ["s", -7], ["1h-2m", -7],
    ["", -7], [true, -7], [null, -7], ["1e300d", -7], ["infs", -7], ["inf", -7], [" 1_000 ", 1000],
  ];
  const sizes: [unknown, number][] = [
    [4096, 4096], ["4096", 4096], ["1kB", 1000], ["1KiB", 1024], ["1k", 1024], ["2M", 2 ** 21], ["2MB", 2000000],
    ["1.5GiB", 3 * 2 ** 29], ["1T", 2 ** 40], ["10B", 10], ["1K1K", -7], ["1 MB", -7], ["-1", -7], ["1X", -7],
    [null, -7], ["9999999TiB", -7],
  ];
  const name = newName();
  await client.create(name, { durations: durations.map(([given]) => given), sizes: sizes.map(([given]) => given) });
  const provider = await ready(name);
  assert.deepEqual(durations.map((_, n) => provider.getDurationMs(`/durations/${n}`, -7)),
    durations.map(([, ms]) => ms));
  assert.deepEqual(sizes.map((_, n) => provider.getSize(`/sizes/${n}`, -7)), sizes.map(([, bytes]) => bytes));
  assert.deepEqual([provider.getDurationMs("none", 5), provider.getSize("none")], [5, 0]);
  await provider.close();
});

test("a secret whose file is replaced is read again", async () => {
  const name = newName();
  const secret = join(folder(), "secret");
  await client.create(name, { password: `\${file:${secret}}` });
  const provider = new Provider(client, name, { references: true });
  const changes: unknown[] = [];
  provider.on("change", ({ password }) => changes.push(password));
  await provider.ready();
  assert.equal(provider.get("password"), undefined);
  for (const content of ["first", "second"]) {
    writeFileSync(`${secret}.new`, content);
    renameSync(`${secret}.new`, secret);
    await until(() => changes.at(-1) === content, "it is told");
    assert.equal(provider.getString("password"), content);
  }
  assert.deepEqual(changes, [undefined, "first", "second"]);
  await provider.close();
});

test("it follows the registry", async () => {
  const name = newName();
  await client.create(name, { a: 0, b: 0 }, { environment: "prod" });
  const changes: unknown[] = [];
  const provider = new Provider(client, name, { environment: "prod" });
  const count = (values: unknown): number => changes.push(values);
  provider.on("change", count).on("state", (state) => assert.equal(state, "ready"));
  assert.deepEqual([provider.state, provider.getInteger("a", 7), provider.version], ["loading", 7, 0n]);
  await provider.ready();
  assert.deepEqual([provider.state, provider.snapshot(), provider.version], ["ready", { a: 0, b: 0 }, 1n]);
  for (let n = 1; n <= 20; n++) {
    await client.update(name, { a: n, b: n }, { environment: "prod" });
    const { a, b } = provider.snapshot();
    assert.equal(a, b);
  }
  await until(() => provider.getInteger("a") === 20, "the last has come");
  await client.delete(name, { environment: "prod" });
  await until(() => provider.get("a", "gone") === "gone", "the delete has come");
  assert.deepEqual([provider.state, provider.version], ["ready", 0n]);
  await client.undelete(name, { environment: "prod" });
  await until(() => provider.getInteger("a") === 20, "it is back");
  const numbers = changes.map((values) => (values as { a?: number }).a);
  assert.deepEqual([numbers[0], numbers.at(-2), numbers.at(-1)], [0, undefined, 20]);
  provider.off("change", count);
  await provider.close();
});

test("resolved, and variables of the environment below", async () => {
  const name = newName();
  await client.create(name, { a: 1, b: 1 });
  await client.create(name, { b: 2 }, { environment: "prod" });
  process.env["BILLING_DB_HOST"] = "of-the-environment";
  process.env["BILLING_B"] = "7";
  const provider = await ready(name, { environment: "prod", resolve: true, envPrefix: "BILLING_" });
  assert.deepEqual(provider.snapshot(), { a: 1, b: 2 });
  assert.deepEqual([provider.getString("db_host"), provider.getInteger("b"), provider.get("other")],
    ["of-the-environment", 2, undefined]);
  await client.patch(name, { a: 5 });
  await until(() => provider.getInteger("a") === 5, "the change of the base has come");
  await provider.close();
});

test("the last known values stay while the registry is away", async () => {
  const restarted = await Server.start();
  const own = restarted.client();
  await own.create("billing", { n: 1 });
  const provider = new Provider(own, "billing", { staleAfterMs: 50 });
  const states: string[] = [];
  const failures: ConfregError[] = [];
  provider.on("state", (state) => states.push(state)).on("failure", (error) => failures.push(error));
  await provider.ready();
  await restarted.stop("SIGKILL");
  await until(() => provider.state === "stale", "it is stale");
  assert.deepEqual([provider.getInteger("n"), provider.lastError?.code], [1, "UNAVAILABLE"]);
  await assert.rejects(provider.refresh({ timeoutMs: 100 }), ConfregError);
  await restarted.start();
  await own.update("billing", { n: 2 });
  await until(() => provider.getInteger("n") === 2, "it is back");
  await until(() => states.at(-1) === "ready" && provider.lastError === undefined, "it is ready");
  assert.deepEqual(states, ["ready", "stale", "ready"]);
  assert.ok(failures.length > 0);
  await own.close();
  await restarted.stop();
});

test("a registry or a config that is not there", async () => {
  const provider = new Provider(nowhere, "billing");
  await assert.rejects(provider.ready({ timeoutMs: 100 }), { code: "UNAVAILABLE" });
  await assert.rejects(provider.ready({ signal: AbortSignal.timeout(1) }), { name: "TimeoutError" });
  assert.equal(provider.getInteger("pool", 5), 5);
  const waiting = assert.rejects(provider.ready(), { reason: "CLIENT_CLOSED" });
  await provider.close();
  await waiting;
  const missing = await ready(newName());
  assert.deepEqual([missing.state, missing.version, missing.get("n", 1)], ["ready", 0n, 1]);
  await missing.refresh();
  await missing.close();
  assert.throws(() => new Provider(client, ""), TypeError);
});

test("refresh reads now, and never goes back", async () => {
  const name = newName();
  await client.create(name, { n: 0 });
  const provider = await ready(name);
  const seen: number[] = [];
  provider.on("change", ({ n }) => seen.push(n as number));
  for (let n = 1; n <= 20; n++) {
    await client.update(name, { n });
    await provider.refresh();
    assert.equal(provider.getInteger("n"), n);
  }
  await until(() => seen.at(-1) === 20, "the last change is told");
  assert.deepEqual(seen, [...new Set(seen)].sort((a, b) => a - b));
  await client.delete(name);
  await provider.refresh();
  assert.equal(provider.get("n"), undefined);
  await provider.close();
});

// ---- The file with the last values ----

async function keptFile(): Promise<{ path: string; name: string }> {
  const path = join(folder(), "billing.json");
  const name = newName();
  await client.create(name, { n: 1, d: 0.1 });
  const provider = await ready(name, { lastKnownGood: path });
  await provider.close();
  return { path, name };
}

function startAway(name: string, path: string): { provider: Provider; failures: ConfregError[] } {
  const failures: ConfregError[] = [];
  const provider = new Provider(nowhere, name, { lastKnownGood: path });
  provider.on("failure", (error) => failures.push(error));
  return { provider, failures };
}

test("a start while the registry is away", async () => {
  const { path, name } = await keptFile();
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(join(path, "..")), ["billing.json"]);
  const { provider } = startAway(name, path);
  assert.deepEqual([provider.snapshot(), provider.version, provider.state], [{ n: 1, d: 0.1 }, 1n, "loading"]);
  await provider.close();
  const back = new Provider(client, name, { lastKnownGood: path });
  back.on("change", () => assert.fail("nothing has changed"));
  await back.ready();
  await back.close();
});

test("every change is kept, the newest at the end", async () => {
  const { path, name } = await keptFile();
  const provider = await ready(name, { lastKnownGood: path });
  for (let n = 2; n <= 30; n++) {
    await client.update(name, { n });
  }
  await until(() => provider.getInteger("n") === 30, "the last has come");
  await provider.close();
  const { provider: away } = startAway(name, path);
  assert.deepEqual([away.getInteger("n"), away.version], [30, 30n]);
  await away.close();
});

const DAMAGES: Record<string, (content: string) => string> = {
  empty: () => "",
  "cut off": (content) => content.slice(0, -3),
  "another value": (content) => content.replace('"n":1', '"n":2'),
  "another version": (content) => content.replace('"version":"1"', '"version":"2"'),
  "no header": () => "[]\n{}",
  "no JSON": () => "\0\n",
};

for (const [what, damage] of Object.entries(DAMAGES)) {
  test(`a file that is damaged is not used: ${what}`, async () => {
    const { path, name } = await keptFile();
    writeFileSync(path, damage(readFileSync(path, "utf8")));
    const { provider, failures } = startAway(name, path);
    assert.equal(provider.get("n", "fallback"), "fallback");
    await until(() => failures.some(({ reason }) => reason === "LAST_KNOWN_GOOD_FILE"), "it is told");
    await provider.close();
  });
}

test("a file of another config is not used", async () => {
  const { path } = await keptFile();
  const { provider } = startAway("another", path);
  assert.equal(provider.get("n"), undefined);
  await provider.close();
});

test("a file that cannot be written is no error of a getter", async () => {
  const name = newName();
  await client.create(name, { n: 1 });
  const path = join(folder(), "missing", "kept");
  const failures: ConfregError[] = [];
  const provider = new Provider(client, name, { lastKnownGood: path });
  provider.on("failure", (error) => failures.push(error));
  await provider.ready();
  assert.equal(provider.getInteger("n"), 1);
  await until(() => failures.length > 0, "it is told");
  assert.equal(failures[0]?.reason, "LAST_KNOWN_GOOD_FILE");
  mkdirSync(join(path, ".."));
  await client.update(name, { n: 2 });
  await until(() => existsSync(path), "the next value is kept");
  chmodSync(join(path, ".."), 0o700);
  await provider.close();
});

// Not by after(), which Node 18 runs only when nothing else keeps the process alive.
test("the end", async () => {
  await Promise.all([client.close(), nowhere.close()]);
  await server.stop();
});
