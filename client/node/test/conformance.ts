// A program for tests/conformance, whose README.md says what it prints and what it is told.

import { createInterface } from "node:readline";
import { Client, ConfregError, type Config } from "confreg";

interface Command {
  do: "get" | "update";
  environment: string;
  service: string;
  data?: object;
  deadline_ms?: number;
}

/** A line of JSON, with the config's data as they are. */
function say(event: string, members: object, config?: Config): void {
  const line = JSON.stringify({ event, ...members });
  process.stdout.write(`${line.slice(0, -1)},"data":${config?.text || "null"}}\n`);
}

function sayError(event: string, error: unknown): void {
  const { code, reason } = error as ConfregError;
  say(event, { code, reason });
}

const { CONFORMANCE_CA_FILE: caFile, CONFORMANCE_TOKEN_FILE: tokenFile } = process.env;
const client = new Client((process.argv[2] ?? "").split(","), { caFile, tokenFile, progressMs: 3000 });

async function watch(): Promise<void> {
  const updates = client.watch({
    selectors: [{ environment: "prod" }], onFailure: (error) => sayError("interrupted", error),
  });
  for await (const { changes, first, synthetic } of updates) {
    for (const { environment, serviceName: service, kind, revision, config } of changes) {
      const version = Number(config?.version ?? 0);
      say(first ? "snapshot" : "change",
        { environment, service, version, kind, revision: Number(revision), synthetic }, config);
    }
    if (first) {
      say("ready", {});
    }
  }
}

async function obey(command: Command): Promise<void> {
  const options = { environment: command.environment, timeoutMs: command.deadline_ms };
  try {
    const config = command.do === "get"
      ? await client.get(command.service, options)
      : (await client.update(command.service, command.data ?? {}, options)).config;
    say("result", { environment: config?.environment, service: config?.serviceName, version: Number(config?.version) },
      config);
  } catch (error) {
    sayError("failed", error);
  }
}

const watching = watch();
for await (const line of createInterface({ input: process.stdin })) {
  void obey(JSON.parse(line) as Command);
}
await client.close();
await watching;
