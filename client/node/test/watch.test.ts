import assert from "node:assert/strict";
import { before, test } from "node:test";
import { Metadata, status } from "@grpc/grpc-js";
import { Client, ConfregError, type Update, type Watch } from "confreg";
import { ChangeKind, CompactRequest, RegistryServiceService as service } from "confreg/proto";
import {
  END, EVENTS, next, PROGRESS, scripted, send, SNAPSHOT, snapshot, UNKNOWN, type Stream,
} from "./scripted.js";
import { newName, Server, told, until } from "./server.js";

let server: Server;
let client: Client;

before(async () => {
  server = await Server.start();
  client = server.client();
});

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

test("ends: close while it waits, a signal, the client", async () => {
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

  assert.throws(() => client.watch({ resolve: true }), TypeError);
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
  ], { progressMs: 500 });
  const watch = client.watch();
  await next(watch);
  assert.deepEqual(told(await next(watch)), [["unknown", "a", undefined]]);
  assert.equal(requests[1]?.resumeAfter?.token, "t5");
  await client.close();
  stop();
});

// ---- The rules of docs/clients.md that tests/conformance does not look at ----

const event = { kind: ChangeKind.CHANGE_KIND_DELETE, environment: "prod", serviceName: "a" };

/** The second stream of a client whose first one did this after its snapshot. */
async function secondRequest(...scripts: ((stream: Stream) => void)[]): Promise<{ token: string | undefined;
  failures: string[] }> {
  const { client, requests, stop } = await scripted([...scripts, () => undefined]);
  const failures: string[] = [];
  const watch = client.watch({ onFailure: ({ code, reason }) => failures.push(`${code} ${reason}`) });
  await next(watch);
  const pending = watch.next();
  await until(() => requests.length >= 2, "the stream is opened again");
  await client.close();
  await pending;
  stop();
  return { token: requests[1]?.includeSnapshot ? undefined : requests[1]?.resumeAfter?.token, failures };
}

test("a response of an unknown kind moves the position, but not within a commit", async () => {
  const header = (n: bigint): object => ({ revision: n, token: `t${n}` });
  assert.deepEqual(await secondRequest((stream) => {
    snapshot(stream, 5n, 1, false);
    send(stream, { kind: UNKNOWN, previousRevision: 5n, header: header(8n) });
    stream.end();
  }), { token: "t8", failures: ["UNAVAILABLE "] });
  assert.deepEqual(await secondRequest((stream) => {
    snapshot(stream, 5n, 1, false);
    send(stream, { kind: EVENTS, previousRevision: 5n, header: header(5n), more: true,
      events: [{ ...event, revision: 6n }] });
    send(stream, { kind: PROGRESS, previousRevision: 6n, header: header(6n) });
    stream.end();
  }), { token: "t5", failures: ["UNAVAILABLE "] });
});

test("what does not belong there ends the stream and moves nothing", async () => {
  for (const wrong of [
    { kind: END, previousRevision: 5n, header: { revision: 6n } },
    { kind: EVENTS, previousRevision: 5n, events: [{ ...event, revision: 6n }] },
  ]) {
    assert.deepEqual(await secondRequest((stream) => {
      snapshot(stream, 5n, 1, false);
      send(stream, wrong);
    }), { token: "t5", failures: ["DATA_LOSS RESPONSE_UNEXPECTED"] });
  }
});

test("a snapshot whose end has no header is none", async () => {
  const { client, requests, stop } = await scripted([
    (stream) => send(stream, { kind: END }),
    (stream) => send(stream, { kind: EVENTS, header: { revision: 6n }, events: [{ ...event, revision: 6n }] }),
    (stream) => snapshot(stream, 5n, 1, false),
  ]);
  const failures: string[] = [];
  const watch = client.watch({ onFailure: ({ reason }) => failures.push(reason) });
  assert.deepEqual(told(await next(watch)), [["unknown", "a", { n: 1 }]]);
  assert.deepEqual(failures, ["RESPONSE_UNEXPECTED", "RESPONSE_UNEXPECTED"]);
  assert.equal(requests.length, 3);
  await client.close();
  stop();
});

test("a lost position is followed by a snapshot at once, another one by a wait", async (context) => {
  const lose = (stream: Stream): void => {
    snapshot(stream, 5n, 1, false);
    stream.emit("error", { code: status.OUT_OF_RANGE, details: "" });
  };
  const waits = context.mock.method(Math, "random");
  const { client, requests, stop } = await scripted([lose, lose, lose, (stream) => snapshot(stream, 9n, 2, false)]);
  const counts: number[] = [];
  const watch = client.watch({ onFailure: () => counts.push(waits.mock.callCount()) });
  await next(watch);
  await next(watch);
  assert.deepEqual(requests.map(({ includeSnapshot }) => includeSnapshot), [true, true, true, true]);
  const since = counts.map((count) => count - (counts[0] ?? 0));
  assert.deepEqual(since, [0, 1, 1], "the second one has waited, no other");
  await client.close();
  stop();
});

test("a snapshot or a commit without an end is given up", async () => {
  const fill = Buffer.from(`{"fill":"${"x".repeat(1000)}"}`);
  const { client, stop } = await scripted([
    (stream) => {
      for (let n = 0; n < 20; n++) {
        send(stream, { kind: SNAPSHOT, configs: [{ environment: "prod", serviceName: `s${n}`, version: 1n,
          configData: fill }] });
      }
    },
    (stream) => {
      snapshot(stream, 5n, 1, false);
      for (let n = 0n; n < 20n; n++) {
        send(stream, { kind: EVENTS, previousRevision: n === 0n ? 5n : 6n, more: true, header: { revision: 5n },
          events: [{ ...event, revision: 6n, comment: fill.toString() }] });
      }
    },
    (stream) => send(stream, { kind: EVENTS, header: { revision: 6n }, events: [{ ...event, revision: 6n }] }),
  ], { maxWatchBytes: 10_000 });
  const failures: string[] = [];
  const watch = client.watch({
    onFailure: ({ code, reason, message }) => failures.push(`${code} ${reason} ${message}`),
  });
  assert.equal((await next(watch)).first, true);
  assert.equal(told(await next(watch)).length, 1);
  assert.deepEqual(failures, ["snapshot", "commit"].map((what) =>
    `RESOURCE_EXHAUSTED WATCH_TOO_LARGE a ${what} has more than maxWatchBytes, 10000 bytes`));
  await client.close();
  stop();
});

test("changes that say nothing count", async () => {
  const { client, stop } = await scripted([(stream) => {
    snapshot(stream, 5n, 1, false);
    send(stream, { kind: EVENTS, previousRevision: 5n, more: true, header: { revision: 5n },
      events: Array.from({ length: 20 }, () => ({ revision: 6n })) });
  }, (stream) => send(stream, { kind: EVENTS, header: { revision: 6n }, events: [{ ...event, revision: 6n }] }),
  ], { maxWatchBytes: 10_000 });
  const reasons: string[] = [];
  const watch = client.watch({ onFailure: ({ reason }) => reasons.push(reason) });
  assert.equal((await next(watch)).first, true);
  assert.equal(told(await next(watch)).length, 1);
  assert.deepEqual(reasons, ["WATCH_TOO_LARGE"]);
  await client.close();
  stop();
});

// Not by after(), which Node 18 runs only when nothing else keeps the process alive.
test("the end", async () => {
  await client.close();
  await server.stop();
});
