// Flags from confreg with OpenFeature's own SDKs and OFREP providers: that of servers, which asks for
// one flag each time, and that of browsers, which polls for all flags and tells what has changed.
//
//     npm ci && node main.mjs http://127.0.0.1:8000/api/ofrep/prod/billing
//
// A token of confreg comes from CONFREG_TOKEN. It ends when a flag has changed.
import { OpenFeature } from "@openfeature/server-sdk";
import { OFREPProvider } from "@openfeature/ofrep-provider";
import { OpenFeature as Web, ProviderEvents } from "@openfeature/web-sdk";
import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";

const baseUrl = process.argv[2];
const token = process.env.CONFREG_TOKEN;
const headers = token === undefined ? [] : [["Authorization", `Bearer ${token}`]];
const user = { targetingKey: "user-123", plan: "free" };

async function show(where, flags) {
  for (const details of [
    await flags.getBooleanDetails("new-checkout", false, user),
    await flags.getStringDetails("banner", "none", user),
    await flags.getNumberDetails("page-size", 10, user),
    await flags.getObjectDetails("limits", {}, user),
    await flags.getBooleanDetails("unheard-of", false, user),
  ]) {
    const { flagKey, value, reason, errorCode, variant } = details;
    console.log(where, flagKey, JSON.stringify(value), reason, errorCode ?? variant);
  }
}

await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl, headers }));
await show("server", OpenFeature.getClient());

await Web.setContext(user);
await Web.setProviderAndWait(new OFREPWebProvider({ baseUrl, headers, pollInterval: 200 }));
const client = Web.getClient();
await show("web", client);
client.addHandler(ProviderEvents.ConfigurationChanged, ({ flagsChanged }) => {
  console.log("changed", flagsChanged.join(" "), client.getBooleanValue("new-checkout", false));
  process.exit(0);
});
console.log("polling");
