// Makes src/api/schema.ts, the types of the API's records, from a running Cloudly's OpenAPI:
//
//   npm run api -- http://localhost:8080            writes it
//   npm run api -- http://localhost:8080 --check    only tells (exit code 1) whether it is still what the API says
//
// Only the shapes are taken, without their descriptions, so that a better comment in the contract changes nothing here.
// The result is committed: the dashboard builds without a running Cloudly; tests/e2e/test_dashboard.py runs the check.
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";

import openapiTS, { astToString } from "openapi-typescript";

const { values, positionals } = parseArgs({ allowPositionals: true, options: { check: { type: "boolean", default: false } } });
const file = new URL("../src/api/schema.ts", import.meta.url);
const head = "// Made by `npm run api` from the contract's OpenAPI. Not edited by hand.\n";

const answer = await fetch(new URL("/api/openapi.json", positionals[0] ?? "http://localhost:8080"));
if (!answer.ok) throw new Error(`the OpenAPI was not answered: ${answer.status}`);
const whole = await answer.json();
const shapes = JSON.parse(JSON.stringify(whole.components.schemas, (name, value) => (name === "description" && typeof value === "string" ? undefined : value)));
const made = head + astToString(await openapiTS({ openapi: whole.openapi, info: whole.info, paths: {}, components: { schemas: shapes } }));

if (!values.check) writeFileSync(file, made);
else if (readFileSync(file, "utf8") !== made) {
  console.error("src/api/schema.ts is not what the API says any more: `make up`, then `npm run api` in web/.");
  process.exitCode = 1;
}
