// The package for Node under the conformance program: node node.mjs MODULE ADDRESS, where MODULE is the
// path of the package's dist/index.js.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [module, address] = process.argv.slice(2);
const { Client } = await import(pathToFileURL(module).href);

/** A line; the data of the config as it has come. */
function say(event, members, config) {
  const line = JSON.stringify({ event, ...members }).slice(0, -1);
  process.stdout.write(`${line},"data":${config?.text || "null"}}\n`);
}

function facts(of, config) {
  return { environment: of.environment, service: of.serviceName, version: Number(config?.version ?? 0) };
}

function tell(update) {
  for (const change of update.changes) {
    say(update.first ? "snapshot" : "change", {
      ...facts(change, change.config), kind: change.kind, revision: Number(change.revision),
      synthetic: update.synthetic,
    }, change.config);
  }
  if (update.first) {
    say("ready");
  }
}

async function obey({ do: method, environment, service, data, deadline_ms: timeoutMs }) {
  try {
    const options = { environment, timeoutMs };
    const config = method === "get" ? await client.get(service, options)
      : (await client.update(service, data, options)).config;
    say("result", facts(config, config), config);
  } catch (error) {
    say("failed", { code: error.code, reason: error.reason });
  }
}

const client = new Client(address, {
  caFile: process.env.CONFORMANCE_CA_FILE, tokenFile: process.env.CONFORMANCE_TOKEN_FILE,
  numbers: "exact", progressMs: 3000,
});
const watch = client.watch({
  selectors: [{ environment: "prod" }],
  onFailure: ({ code, reason }) => say("interrupted", { code, reason }),
});
const followed = watch.forEach(tell);
for await (const line of createInterface({ input: process.stdin })) {
  void obey(JSON.parse(line));
}
await client.close();
await followed.catch(() => undefined);
