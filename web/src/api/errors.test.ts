import { describe, expect, it } from "vitest";

import { ApiError, asApiError, fieldName, problemOf } from "./errors";

describe("a refusal", () => {
  it("carries title, detail, action, reason and the violations by the names of JSON", async () => {
    const body = {
      title: "One or more fields break a rule",
      status: 400,
      detail: "web_port is too large",
      reason: "REASON_INVALID_ARGUMENT",
      action: "Correct the fields.",
      requestId: "r1",
      violations: [{ field: "workload.web_port", description: "at most 65535" }],
    };
    const error = await problemOf(new Response(JSON.stringify(body), { status: 400, headers: { "content-type": "application/problem+json" } }));
    expect(error).toMatchObject({ status: 400, reason: "INVALID_ARGUMENT", action: "Correct the fields.", requestId: "r1" });
    expect(error.violations.get("webPort")).toBe("at most 65535");
    expect(error.message).toBe("One or more fields break a rule: web_port is too large");
  });

  it("is still an error to show when a proxy answers with a page", async () => {
    const error = await problemOf(new Response("<html>", { status: 502, statusText: "Bad Gateway", headers: { "content-type": "text/html" } }));
    expect(error).toMatchObject({ status: 502, title: "The server answered 502", detail: "Bad Gateway" });
  });

  it("is still an error to show when its JSON is broken", async () => {
    const error = await problemOf(new Response("{", { status: 500, headers: { "content-type": "application/json" } }));
    expect(error.status).toBe(500);
  });

  it("knows a stale write by its reason or its status", () => {
    expect(new ApiError({ reason: "STALE_ETAG" }).stale).toBe(true);
    expect(new ApiError({ status: 412 }).stale).toBe(true);
    expect(new ApiError({ status: 409 }).stale).toBe(false);
  });
});

it("names fields as JSON does, without the resource in front", () => {
  expect(fieldName("workload.domains[1].name")).toBe("domains[1].name");
  expect(fieldName("cluster.setup_mode")).toBe("setupMode");
  expect(fieldName("health_check.interval_seconds")).toBe("healthCheck.intervalSeconds");
});

it("shows a fault of the dashboard itself as one", () => {
  expect(asApiError(new TypeError("x is not a function"))).toMatchObject({ title: "The dashboard failed", detail: "TypeError: x is not a function" });
});
