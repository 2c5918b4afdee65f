import assert from "node:assert/strict";
import { before, test } from "node:test";
import { Metadata, ServerCredentials, Server as Scripted, status, type ServerWritableStream } from "@grpc/grpc-js";
import { Client, ConfregError, type Update, type Watch } from "confreg";
import {
  ChangeKind, CompactRequest, RegistryServiceService as service, WatchResponse, WatchResponseKind, type DeepPartial,
  type WatchRequest,
} from "confreg/proto";
import { newName, Server, told } from "./server.js";

let server: Server;
let client: Client;

before(async () => {
  server = await Server.start();
  client = server.client();
});

async function next(watch: Watch): Promise<Update> {
  const { value } = await watch.next();
  assert.ok(value, "the watch has ended");
  return value;
}

test("the first state, then every change, to the end of the loop", async () => {
  const environment = newName();
  await client.create("a", { n: 1 }, { environment });
  const updates: Update[] = [];
  const watch = client.watch({ selectors: [{ environment }] });
  for await (const update of watch) {
    updates.push(update);
    if (update.first) {
      await client.update("a", { n: 2 }, { environment });
      await client.delete("a", { environment });
    } else if (updates.at(-1)?.changes.at(-1)?.kind === "delete") {
      break;
    }
  }
  const [first, ...rest] = updates;
  assert.deepEqual(first && told(first), [["create", "a", { n: 1 }]]);
  assert.deepEqual(rest.flatMap(told), [["update", "a", { n: 2 }], ["delete", "a", undefined]]);
  assert.equal((await watch.next()).done, true);
});

test("a callback, which is waited for, and whose error ends the watch", async () => {
  const environment = newName();
  const seen: unknown[] = [];
  let running = 0;
  const done = assert.rejects(client.watch({ selectors: [{ environment }] }).forEach(async (update) => {
    assert.equal(running++, 0);
    seen.push(...told(update).map(([, , data]) => data));
    await new Promise(setImmediate);
    running--;
    if (seen.length === 2) {
      throw new Error("enough");
    }
  }), /enough/);
  await client.create("a", { n: 1 }, { environment });
  await client.create("b", { n: 2 }, { environment });
  await done;
  assert.deepEqual(seen, [{ n: 1 }, { n: 2 }]);
});

test("it resumes over restarts and from a position that was kept", async () => {
  const restarted = await Server.start();
  const writing = restarted.client();
  const failures: ConfregError[] = [];
  let connections = 0;
  const watch = writing.watch({ onFailure: (error) => failures.push(error), onConnected: () => connections++ });
  try {
    assert.deepEqual(told(await next(watch)), []);
    await writing.create("a", { n: 1 });
    const { position } = await next(watch);
    for (let n = 2; n < 5; n++) {
      await restarted.stop(n === 3 ? "SIGKILL" : "SIGTERM");
      await restarted.start();
      await writing.update("a", { n });
      assert.deepEqual(told(await next(watch)), [["update", "a", { n }]]);
    }
    assert.ok(failures.length >= 3 && failures.every(({ code }) => code === "UNAVAILABLE"), String(failures));
    assert.ok(connections >= 4);
    const resumed = writing.watch({ resumeAfter: position });
    const update = await next(resumed);
    assert.deepEqual([told(update)[0], update.first], [["update", "a", { n: 2 }], false]);
    await resumed.close();
  } finally {
    await writing.close();
    await restarted.stop();
  }
});

test("a compaction is bridged by a snapshot", async () => {
  const environment = newName();
  await client.create("stays", { n: 1 }, { environment });
  await client.create("goes", { n: 1 }, { environment });
  const watch = client.watch({ selectors: [{ environment }] });
  const { position } = await next(watch);
  await watch.close();
  await client.delete("goes", { environment });
  await client.update("stays", { n: 2 }, { environment });
  await client.create("other", {});
  await client.call(service.compact, CompactRequest.fromPartial({}));
  const resumed = client.watch({ selectors: [{ environment }], resumeAfter: position.token });
  const update = await next(resumed);
  assert.deepEqual([update.first, told(update)], [true, [["update", "stays", { n: 2 }]]], "nothing to compare");
  await resumed.close();
});

test("ends: close while it waits, a signal, the client, a request that is wrong", async () => {
  const watch = client.watch();
  await next(watch);
  const pending = watch.next();
  await watch.close();
  assert.equal((await pending).done, true);

  const abort = new AbortController();
  const aborted = client.watch({ signal: abort.signal });
  await next(aborted);
  const rejected = assert.rejects(aborted.next(), /stop/);
  abort.abort(new Error("stop"));
  await rejected;

  const closing = server.client();
  const closed = closing.watch();
  await next(closed);
  const last = closed.next();
  await closing.close();
  assert.equal((await last).done, true);
  assert.equal((await client.watch({ signal: AbortSignal.abort() }).next().catch(() => ({ done: "rejected" }))).done,
    "rejected");

  await assert.rejects(client.watch({ resolve: true }).next(),
    { code: "INVALID_ARGUMENT", reason: "RESOLVE_WITHOUT_ENVIRONMENT" });
});

test("a slow reader gets every change, or only the newest", async () => {
  const environment = newName();
  await client.create("a", { n: 0 }, { environment });
  const every = client.watch({ selectors: [{ environment }] });
  const newest = client.watch({ selectors: [{ environment }], latestOnly: true });
  await Promise.all([next(every), next(newest)]);
  const filler = "x".repeat(500_000);
  for (let n = 1; n <= 20; n++) {
    await client.update("a", { n, filler }, { environment });
  }
  const numbers = async (watch: Watch): Promise<unknown[]> => {
    const seen: unknown[] = [];
    while (seen.at(-1) !== 20) {
      seen.push(...told(await next(watch)).map(([, , data]) => (data as { n: number }).n));
    }
    return seen;
  };
  assert.deepEqual(await numbers(every), Array.from({ length: 20 }, (_, n) => n + 1));
  const seen = await numbers(newest) as number[];
  assert.deepEqual(seen, [...seen].sort((a, b) => a - b));
  await Promise.all([every.close(), newest.close()]);
});

// ---- A server that does what real ones seldom do; tests/conformance has most of it ----

type Stream = ServerWritableStream<WatchRequest, WatchResponse>;

const { WATCH_RESPONSE_KIND_SNAPSHOT: SNAPSHOT, WATCH_RESPONSE_KIND_SNAPSHOT_END: END,
  WATCH_RESPONSE_KIND_EVENTS: EVENTS } = WatchResponseKind;

function send(stream: Stream, response: DeepPartial<WatchResponse>): void {
  stream.write(WatchResponse.fromPartial(response));
}

function snapshot(stream: Stream, revision: bigint, n: number, filtered: boolean): void {
  const config = { environment: "prod", serviceName: "a", version: 1n, revision: 1n, modRevision: 1n };
  const configData = Buffer.from(`{"n":${n}}`);
  send(stream, { kind: SNAPSHOT, filtered, header: {}, configs: [{ ...config, configData }] });
  send(stream, { kind: END, filtered, header: { revision, token: `t${revision}` } });
}

/** A client of a server that plays one script a stream, and the requests of the streams. */
async function scripted(scripts: ((stream: Stream) => void)[]): Promise<{
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
  const client = new Client(`127.0.0.1:${port}`, { progressMs: 200 });
  return { client, requests, stop: () => acting.forceShutdown() };
}

/** A member of a message that is a varint. */
function varint(number: number, value: bigint): Buffer {
  const bytes = [number << 3];
  let rest = BigInt.asUintN(64, value);
  for (; rest > 0x7fn; rest >>= 7n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
  }
  return Buffer.from([...bytes, Number(rest)]);
}

function member(number: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([(number << 3) | 2, value.length]), value]);
}

/** Refuses with a RetryInfo that has this Duration. */
function refuse(delay: Buffer): (stream: Stream) => void {
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", member(3, Buffer.concat([
    member(1, Buffer.from("type.googleapis.com/google.rpc.RetryInfo")), member(2, member(1, delay))])));
  return (stream) => stream.emit("error", { code: status.UNAVAILABLE, details: "later", metadata });
}

test("a wait that nobody can mean is not believed", async () => {
  const sixtyDays = 60n * 24n * 3600n;
  const { client, stop } = await scripted([
    refuse(varint(2, 2_000_000n)), refuse(varint(1, sixtyDays)), refuse(varint(1, -1n)),
    (stream) => snapshot(stream, 5n, 1, false),
  ]);
  const waits: unknown[] = [];
  const watch = client.watch({ onFailure: ({ retryAfterMs }) => waits.push(retryAfterMs) });
  assert.equal((await next(watch)).first, true);
  assert.deepEqual(waits, [2, undefined, undefined]);
  await client.close();
  stop();
});

test("other rights are bridged by a snapshot", async () => {
  const { client, requests, stop } = await scripted([
    (stream) => {
      snapshot(stream, 5n, 1, true);
      send(stream, { kind: EVENTS, filtered: false, previousRevision: 5n, header: { revision: 7n },
        events: [{ kind: ChangeKind.CHANGE_KIND_UPDATE, revision: 7n }] });
    },
    (stream) => snapshot(stream, 9n, 2, false),
  ]);
  const failures: string[] = [];
  const watch = client.watch({ onFailure: ({ reason }) => failures.push(reason) });
  assert.equal((await next(watch)).first, true);
  const update = await next(watch);
  assert.deepEqual([update.synthetic, told(update)], [true, [["unknown", "a", { n: 2 }]]]);
  assert.equal(update.changes[0]?.previous?.data?.["n"], 1);
  assert.deepEqual(failures, ["RIGHTS_CHANGED"]);
  assert.deepEqual(requests.map(({ includeSnapshot }) => includeSnapshot), [true, true]);
  await client.close();
  stop();
});

// A proxy on the way that has lost its server says so, too.
test("a server that does not know the call is asked again", async () => {
  const { client, stop } = await scripted([
    (stream) => stream.emit("error", { code: status.UNIMPLEMENTED }),
    (stream) => snapshot(stream, 5n, 1, false),
  ]);
  const failures: string[] = [];
  const watch = client.watch({ onFailure: ({ code }) => failures.push(code) });
  assert.equal((await next(watch)).first, true);
  assert.deepEqual(failures, ["UNIMPLEMENTED"]);
  await client.close();
  stop();
});

test("a server that is silent is left", async () => {
  const { client, requests, stop } = await scripted([
    (stream) => snapshot(stream, 5n, 1, false),
    (stream) => send(stream, { kind: EVENTS, header: { revision: 6n },
      events: [{ environment: "prod", serviceName: "a", revision: 6n }] }),
  ]);
  const watch = client.watch();
  await next(watch);
  assert.deepEqual(told(await next(watch)), [["unknown", "a", undefined]]);
  assert.equal(requests[1]?.resumeAfter?.token, "t5");
  await client.close();
  stop();
});

// Not by after(), which Node 18 runs only when nothing else keeps the process alive.
test("the end", async () => {
  await client.close();
  await server.stop();
});
