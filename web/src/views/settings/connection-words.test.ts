import { expect, it } from "vitest";

import { checksOf, connectionStanding } from "./connection-words";

it("says how far a test came", () => {
  const found = checksOf({ provider: "hetzner", reachable: "CHECK_OUTCOME_PASSED", authenticated: "CHECK_OUTCOME_FAILED", permitted: "CHECK_OUTCOME_NOT_CHECKED" });
  expect(found.map(({ name, tone, words }) => `${name} ${tone}: ${words}`)).toEqual([
    "Reachable ok: yes",
    "Authenticated bad: no, it refuses the credentials",
    "Permitted idle: not checked",
  ]);
});

it("says whether Cloudly can work with it; a field that is absent is no pass", () => {
  expect(connectionStanding({ provider: "hetzner", ok: true }).label).toBe("Works");
  expect(connectionStanding({ provider: "hetzner" })).toEqual({ tone: "bad", label: "Does not work" });
  expect(checksOf({ provider: "hetzner" }).map(({ words }) => words)).toEqual(["not checked", "not checked", "not checked"]);
});
