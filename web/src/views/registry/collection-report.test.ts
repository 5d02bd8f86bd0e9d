import { expect, it } from "vitest";

import type { Execution } from "../../api/records";
import { executionStanding, isUnderWay, reportOf, totals } from "./collection-report";

const done = (result: Record<string, unknown>): Execution => ({ id: "registry-x", state: "EXECUTION_STATE_SUCCEEDED", result });

it("says in a line what went", () => {
  expect(totals(done({ tags: 2, manifests: 1, blobs: 0, expired: 3 }))).toBe("2 tags, 1 manifest, 3 quarantined things");
  expect(totals(done({ tags: 0, manifests: 0, blobs: 0, expired: 0 }))).toBe("nothing");
});

it("says how far it is, and why it failed", () => {
  const running: Execution = { id: "x", state: "EXECUTION_STATE_RUNNING", progress: { done: "3", total: "9", message: "repositories" } };
  expect([isUnderWay(running), totals(running), reportOf(running)]).toEqual([true, "repositories 3 of 9", undefined]);
  const failed: Execution = { id: "x", state: "EXECUTION_STATE_FAILED", error: "the store is full" };
  expect([totals(failed), executionStanding(failed)]).toEqual(["the store is full", { tone: "bad", label: "Failed" }]);
  expect(executionStanding(running)).toEqual({ tone: "busy", label: "Running" });
});
