import { expect, it } from "vitest";

import type { Execution } from "../../api/records";
import { checked } from "./check-report";
import { collected } from "./collection-report";
import { executionStanding, isUnderWay, resultOf } from "../../state/executions";

const done = (result: Record<string, unknown>): Execution => ({ id: "registry-x", state: "EXECUTION_STATE_SUCCEEDED", result });

it("says in a line what a collection took", () => {
  expect(collected(done({ tags: 2, manifests: 1, blobs: 0, expired: 3, bytes: 0 }))).toBe("2 tags, 1 manifest, 3 quarantined things");
  expect(collected(done({ tags: 0, manifests: 0, blobs: 1, expired: 0, bytes: 2048 }))).toBe("1 blob, 2 KiB freed");
  expect(collected(done({ tags: 0, manifests: 0, blobs: 0, expired: 0, bytes: 0 }))).toBe("nothing to collect");
});

it("says in a line whether a check found faults", () => {
  expect(checked(done({ checked: { blob: 3, manifest: 1 }, faults: {}, repaired: {} }))).toBe("all is well, 4 things checked");
  expect(checked(done({ checked: { blob: 3 }, faults: { missing: 1, orphan: 2 }, repaired: { orphan: 2 } }))).toBe("3 faults, 2 repaired");
  expect(checked(done({ checked: {}, faults: { missing: 1 }, repaired: {} }))).toBe("1 fault");
});

it("says how far a run is, and why it failed", () => {
  const running: Execution = { id: "x", state: "EXECUTION_STATE_RUNNING", progress: { done: "3", total: "9", message: "repositories" } };
  expect([isUnderWay(running), collected(running), resultOf(running)]).toEqual([true, "repositories 3 of 9", undefined]);
  const failed: Execution = { id: "x", state: "EXECUTION_STATE_FAILED", error: "the store is full" };
  expect([checked(failed), executionStanding(failed)]).toEqual(["the store is full", { tone: "bad", label: "Failed" }]);
  expect(executionStanding(running)).toEqual({ tone: "busy", label: "Running" });
});
