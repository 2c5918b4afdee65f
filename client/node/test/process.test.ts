import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { before, test } from "node:test";
import { newName, Server } from "./server.js";

let server: Server;

before(async () => {
  server = await Server.start();
});

/** What a program prints, which is written here; it has to end by itself. */
async function run(program: string, address = server.address): Promise<string> {
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    cwd: new URL(".", import.meta.url), env: { ...process.env, ADDRESS: address, NAME: newName() }, timeout: 60_000,
  });
  let printed = "";
  child.stdout.on("data", (data: Buffer) => printed += data.toString());
  child.stderr.on("data", (data: Buffer) => printed += data.toString());
  const [code] = await once(child, "close") as [number | null];
  return code === 0 ? printed : `ended with ${code}: ${printed}`;
}

const BEGIN = `
  import { Client, Provider } from "confreg";
  const client = new Client(process.env.ADDRESS);
  const name = process.env.NAME;
  setInterval(() => undefined, 1000).unref();
`;

test("a program ends by itself after close()", async () => {
  assert.equal(await run(`${BEGIN}
    await client.create(name, { n: 1 });
    const provider = new Provider(client, name);
    await provider.ready();
    const watch = client.watch();
    await watch.next();
    const pending = watch.next();
    console.log(provider.getInteger("n"));
    await client.close();
    console.log((await pending).done);
  `), "1\ntrue\n");
});

test("so does one whose registry is away", async () => {
  const away = await Server.make();
  assert.equal(await run(`${BEGIN}
    const provider = new Provider(client, name);
    const pending = client.watch().next();
    const { signal } = new AbortController();
    const calls = Array.from({ length: 20 }, () => client.get(name, { signal }));
    const created = client.create(name, {}).catch((error) => error.reason);
    await provider.ready({ timeoutMs: 50 }).catch((error) => console.log(error.code));
    await client.close();
    console.log((await pending).done);
    console.log(await created);
    console.log((await Promise.allSettled(calls)).length);
  `, away.address), "UNAVAILABLE\ntrue\nCLIENT_CLOSED\n20\n");
});

test("and one that has closed its watch and never used the client", async () => {
  assert.equal(await run(`${BEGIN}
    const watch = client.watch();
    await watch.close();
    const watched = client.watch();
    for await (const update of watched) {
      console.log(update.first);
      break;
    }
    await client.close();
    await client.close();
  `), "true\n");
});

test("what a listener throws is an uncaught exception, and all goes on", async () => {
  assert.equal(await run(`${BEGIN}
    process.on("uncaughtException", (error) => console.log(error.message));
    const provider = new Provider(client, name).on("state", () => { throw new Error("of a listener"); });
    await provider.ready();
    const watch = client.watch({ onConnected: () => { throw new Error("of a callback"); } });
    await watch.next();
    await client.create(name, { n: 1 });
    console.log((await watch.next()).value.changes.length);
    while (provider.getInteger("n") !== 1) {
      await new Promise(setImmediate);
    }
    await client.close();
  `), "of a listener\nof a callback\n1\n");
});

// Not by after(), which Node 18 runs only when nothing else keeps the process alive.
test("the end", async () => {
  await server.stop();
});
