// A client of the HTTP interface, of types that openapi-typescript makes of its description.
//
//     npm ci && OPENAPI=../../../gateway/openapi.json npm run generate && npm run build
//     node dist/main.js http://127.0.0.1:8000
import createClient from "openapi-fetch";

import type { components, paths } from "./gen/confreg.js";

const http = createClient<paths>({ baseUrl: process.argv[2] ?? "http://127.0.0.1:8000" });
const config = { path: { service_name: "client-http-node" }, query: { environment: "prod" } };

function document(found: unknown): components["schemas"]["Document"] {
  return found as components["schemas"]["Document"]; // without validate_only and fields
}

const created = await http.POST("/api/configs/{service_name}", {
  params: config,
  body: { config_data: { pool: 10 }, created_by: "ada" },
});
console.log(`created ${document(created.data).version} ${document(created.data).created_by}`);
const tag = created.response.headers.get("ETag") ?? "";

for (const pool of [20, 30]) {
  // The second one comes too late.
  const put = await http.PUT("/api/configs/{service_name}", {
    params: { ...config, header: { "If-Match": tag } },
    body: { config_data: { pool } },
  });
  if (put.error !== undefined) {
    const { reason, current_version } = put.error as components["schemas"]["Error"];
    console.log(`conflict ${put.response.status} ${reason} ${current_version}`);
  } else {
    console.log(`updated ${document(put.data).version}`);
  }
}

const read = await http.GET("/api/configs/{service_name}", { params: config });
console.log(`read ${JSON.stringify(read.data)}`);

const listed = await http.GET("/api/configs", {
  params: { query: { service_name: "client-http-node" } },
});
for (const entry of listed.data ?? []) {
  const { environment, service_name, version } = document(entry);
  console.log(`listed ${environment}/${service_name} ${version}`);
}
