import { expect, it } from "vitest";

import type { Execution, MasterKey } from "../../api/records";
import { byService, dropped, droppedWith, earlierKeys, kept, masterKeyStanding, rotated, signingKeyStanding } from "./key-words";

const keys: MasterKey[] = [
  { id: "new", state: "MASTER_KEY_STATE_CURRENT", source: "keys file" },
  { id: "old", state: "MASTER_KEY_STATE_EARLIER", source: "keys file" },
];
const done = (result: Record<string, unknown>): Execution => ({ id: "auth-x", state: "EXECUTION_STATE_SUCCEEDED", result });

it("says how keys stand", () => {
  expect(keys.map((key) => masterKeyStanding(key).label)).toEqual(["Current", "Earlier"]);
  expect(masterKeyStanding({ id: "lost", state: "MASTER_KEY_STATE_ABSENT" })).toEqual({ tone: "bad", label: "Absent" });
  expect(signingKeyStanding({ kid: "k", state: "SIGNING_KEY_STATE_RETIRED" }).label).toBe("Verifies");
  expect([byService({ registry: 1, auth: 12 }), byService(undefined)]).toEqual(["auth 12, registry 1", ""]);
});

it("drops the earlier keys alone, and names what ends with them", () => {
  expect(earlierKeys(keys).map(({ id }) => id)).toEqual(["old"]);
  expect(droppedWith(earlierKeys(keys))[0]).toBe("The master key old, for ever");
  expect(droppedWith(earlierKeys(keys)).join()).toContain("Backups");
});

it("knows whether the keys are given", () => {
  expect([kept(keys), kept([{ id: "given", source: "environment" }]), kept([])]).toEqual([true, false, false]);
});

it("says in a line what a task did, or how far it is", () => {
  expect(rotated(done({ key: "new", rewrapped: { registry: 1, auth: 12 } }))).toBe("to new; sealed anew: auth 12, registry 1");
  expect(rotated({ id: "x", state: "EXECUTION_STATE_RUNNING", progress: { done: "1", total: "13", message: "auth 1/12" } })).toBe("auth 1/12 1 of 13");
  expect(dropped(done({ dropped: ["old"] }))).toBe("1 key: old");
});
