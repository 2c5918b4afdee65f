import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { before, test } from "node:test";
import { status } from "@grpc/grpc-js";
import { Provider, type Client, type ConfregError, type Update, type Watch } from "confreg";
import { EVENTS, next, PROGRESS, scripted, send, SNAPSHOT, END, type Stream } from "./scripted.js";
import { BUILD, folder, newName, Server, told, until } from "./server.js";

let server: Server;
let client: Client;

before(async () => {
  server = await Server.start();
  client = server.client();
});

/** What a server does that has one config for each selector, all as of revision 5. */
function serve(open: Set<Stream>): (stream: Stream) => void {
  return (stream) => {
    open.add(stream);
    stream.on("cancelled", () => open.delete(stream));
    const { includeSnapshot, selectors } = stream.request;
    const header = { revision: 5n, token: "t5", epoch: "e" };
    if (includeSnapshot) {
      send(stream, { kind: SNAPSHOT, configs: selectors.map(({ environment, serviceName }) =>
        ({ environment, serviceName, version: 1n, modRevision: 1n, configData: Buffer.from("{}") })) });
      send(stream, { kind: END, header });
    } else {
      send(stream, { kind: PROGRESS, header });
    }
  };
}

function watchOf(client: Client, n: number): Watch {
  return client.watch({ selectors: [{ environment: "prod", serviceName: `s${n}` }] });
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

test("a hundred watches are one stream, and so they are after others have joined", async () => {
  const open = new Set<Stream>();
  const { client, requests, stop } = await scripted(range(0, 20).map(() => serve(open)));
  const firstOf = async (n: number): Promise<void> => assert.deepEqual(told(await next(watchOf(client, n))),
    [["unknown", `s${n}`, {}]]);
  await Promise.all(range(0, 100).map(firstOf));
  assert.deepEqual(requests.map(({ selectors }) => selectors.length), [100]);
  await Promise.all(range(90, 128).map(firstOf));
  await until(() => requests.length === 3 && open.size === 1, "there is one stream again");
  assert.deepEqual(requests.slice(1).map(({ selectors, includeSnapshot, resumeAfter }) =>
    [selectors.length, includeSnapshot, resumeAfter?.token]), [[38, true, undefined], [128, false, "t5"]]);
  await Promise.all(range(0, 128).map(firstOf));
  await until(() => open.size === 1, "those that were selected before need no other one");
  await firstOf(128);
  assert.equal(open.size, 2, "more selectors than a stream takes");
  await client.close();
  await until(() => open.size === 0, "none is left");
  stop();
});

test("every watch has each change once and in order, whoever joins and leaves", async () => {
  const environment = newName();
  const names = ["a", "b", "c"];
  await Promise.all(names.map((name) => client.create(name, { n: 0 }, { environment })));
  const shared = server.client();
  const last = 60;
  const collect = async (watch: Watch, name: string): Promise<unknown[]> => {
    const seen: unknown[] = [];
    for await (const update of watch) {
      seen.push(...told(update).filter(([, of]) => of === name).map(([, , data]) => (data as { n: number }).n));
      if (seen.at(-1) === last) {
        break;
      }
    }
    return seen;
  };
  const position = (await next(shared.watch({ selectors: [{ environment }] }))).position;
  const seen: Promise<unknown[]>[] = [];
  for (let n = 1; n <= last; n++) {
    await Promise.all(names.map((name) => client.update(name, { n }, { environment })));
    const name = names[n % 3] as string;
    const selectors = [n % 2 === 0 ? { environment } : { environment, serviceName: name }];
    if (n % 4 === 0) {
      seen.push(collect(shared.watch({ selectors, resumeAfter: position }), name));
    } else if (n % 4 === 1) {
      seen.push(collect(shared.watch({ selectors }), name));
    } else {
      const leaving = shared.watch({ selectors, latestOnly: n % 4 === 2 });
      void leaving.next().then(() => leaving.close());
    }
  }
  for (const numbers of await Promise.all(seen)) {
    const from = numbers[0] as number;
    assert.deepEqual(numbers, range(from, last + 1));
  }
  await shared.close();
});

test("a watch is served that joins just when the one before it leaves a stream that waits", async () => {
  const serveOthers = serve(new Set());
  const { client, stop } = await scripted(Array.from({ length: 300 }, () => (stream) => {
    if (stream.request.selectors.some(({ serviceName }) => serviceName === "refused")) {
      stream.emit("error", { code: status.UNAVAILABLE });
    } else {
      serveOthers(stream);
    }
  }), { progressMs: 10_000 });
  await next(watchOf(client, 0)); // so that those below begin on the stream for who joins
  for (let turns = 0; turns < 40; turns++) {
    const leaving = new Promise<void>((resolve) => {
      const watch = client.watch({ selectors: [{ serviceName: "refused" }], onFailure: () => {
        void watch.close();
        resolve();
      } });
      void watch.next();
    });
    await leaving;
    for (let turn = 0; turn < turns; turn++) {
      await Promise.resolve();
    }
    const watch = watchOf(client, 1 + turns);
    let isServed = false;
    void watch.next().then(() => isServed = true);
    await until(() => isServed, `it is served, ${turns} turns after the other one has left`);
    await watch.close();
  }
  await client.close();
  stop();
});

test("a slow reader holds up nobody, and what waits for it is bounded", async () => {
  const fill = "x".repeat(1 << 20);
  const last = 40n;
  let sent = 0n;
  const events = (stream: Stream): void => {
    const token = stream.request.resumeAfter?.token ?? "0";
    let isOver = false;
    stream.on("cancelled", () => isOver = true);
    let delivered = stream.request.includeSnapshot ? 1n : 0n;
    if (stream.request.includeSnapshot) {
      send(stream, { kind: END, header: { revision: 1n, token: "1", epoch: "e" } });
    }
    const more = (revision: bigint): void => {
      if (isOver || revision > last) {
        return;
      }
      sent = sent > revision ? sent : revision;
      const config = { environment: "prod", serviceName: "a", version: revision, modRevision: revision };
      const response = {
        kind: EVENTS, previousRevision: delivered, header: { revision, token: `${revision}`, epoch: "e" },
        events: [{ environment: "prod", serviceName: "a", revision, headVersion: revision,
          config: { ...config, configData: Buffer.from(`{"fill":"${fill}"}`) } }],
      };
      delivered = revision;
      send(stream, response);
      setImmediate(more, revision + 1n);
    };
    more(BigInt(token) + 1n > 2n ? BigInt(token) + 1n : 2n);
  };
  const { client, requests, stop } = await scripted(range(0, 20).map(() => events));
  const slow = client.watch();
  const quick = client.watch();
  const newest = client.watch({ latestOnly: true });
  const first = await Promise.all([next(slow), next(quick), next(newest)]);
  assert.ok(first.every((update) => update.first));
  const revisions = async (watch: Watch): Promise<bigint[]> => {
    const seen: bigint[] = [];
    while (seen.at(-1) !== last) {
      seen.push(...(await next(watch)).changes.map(({ revision }) => revision));
    }
    return seen;
  };
  const all = Array.from({ length: Number(last) - 1 }, (_, i) => BigInt(i + 2));
  assert.deepEqual(await revisions(quick), all);
  assert.equal(requests.length, 1, "the slow one has left, and is not told yet");
  assert.deepEqual((await next(newest)).changes.map(({ revision }) => revision), [last]);
  assert.deepEqual(await revisions(slow), all);
  assert.equal(requests[1]?.includeSnapshot, false, "it goes on after what it was told");
  await client.close();
  stop();
});

test("a watch that is refused is told so, tries on, and is in nobody's way", async () => {
  const name = newName();
  const shared = server.client();
  const failures: ConfregError[] = [];
  const refused = shared.watch({ selectors: [{ environment: "a b/c" }], onFailure: (error) => failures.push(error) });
  const pending = refused.next();
  const right = shared.watch({ selectors: [{ serviceName: name }], onFailure: ({ code }) => assert.fail(code) });
  assert.deepEqual(told(await next(right)), []);
  await client.create(name, { n: 1 });
  assert.deepEqual(told(await next(right)), [["create", name, { n: 1 }]]);
  const late = shared.watch({ selectors: [{ serviceName: name, environment: "prod" }] });
  assert.equal((await next(late)).first, true);
  await until(() => failures.length >= 2, "it is told again");
  assert.deepEqual(failures.map(({ code }) => code), failures.map(() => "INVALID_ARGUMENT"));
  await shared.close();
  assert.equal((await pending).done, true);
});

test("a config that may not be read is told from one that is not there", async () => {
  const access = join(folder(), "access.json");
  const token = (...of: string[]): string => execFileSync(join(BUILD, "confregd"),
    ["access", "token", ...of, "--access", access], { encoding: "utf8" }).trim();
  const [writer, reader] = [
    token("ada", "--role", "super-admin"), token("billing", "--role", "reader", "--service", "billing"),
  ];
  const guarded = await Server.start("--access", access);
  const ada = guarded.client({ token: writer });
  await ada.create("other", { n: 1 });
  await ada.create("billing", { n: 2 });
  const shared = guarded.client({ token: reader });
  const updates: Update[] = [];
  const watch = shared.watch();
  updates.push(await next(watch));
  assert.deepEqual(updates.map(({ filtered, changes }) => [filtered, changes.length]), [[true, 1]]);
  const [other, billing, missing] = ["other", "billing", "billing"].map((name, n) =>
    new Provider(shared, name, n === 2 ? { environment: "prod" } : {})) as [Provider, Provider, Provider];
  await Promise.all([billing.ready(), missing.ready()]);
  await until(() => other.lastError !== undefined, "why is told");
  assert.deepEqual([other.lastError?.code, other.state], ["PERMISSION_DENIED", "loading"]);
  assert.deepEqual([billing.getInteger("n"), missing.state, missing.version], [2, "ready", 0n]);
  await shared.close();
  await ada.close();
  await guarded.stop();
});

// Not by after(), which Node 18 runs only when nothing else keeps the process alive.
test("the end", async () => {
  await client.close();
  await server.stop();
});
