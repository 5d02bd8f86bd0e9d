import { describe, expect, it } from "vitest";

import { EVERYTHING, fromAddress, isEverything, toAddress, toQuery } from "./audit-filter";

const NOW = new Date("2026-03-02T12:00:00Z");

describe("toQuery", () => {
  it("asks for everything without conditions", () => {
    expect(toQuery(EVERYTHING, NOW)).toEqual({ filter: "", startTime: "", endTime: "" });
  });

  it("joins conditions; what is typed is a beginning, an id is one", () => {
    const filter = { ...EVERYTHING, actor: " ada ", method: "UserService.", kind: "user", resource: "jxfvuk34kj2mvg57aebx", result: "DENIED", span: "24" };
    expect(toQuery(filter, NOW)).toEqual({
      filter: 'actor.name : "ada" AND method : "UserService." AND resource.kind : "user" AND resource.id = "jxfvuk34kj2mvg57aebx" AND result = "DENIED"',
      startTime: "2026-03-01T12:00:00.000Z",
      endTime: "",
    });
  });

  it("cannot be left by a quote", () => {
    expect(toQuery({ ...EVERYTHING, resource: 'a" AND result = "DONE\\' }, NOW).filter).toBe('resource.name : "a\\" AND result = \\"DONE\\\\"');
  });

  it("takes local times between bounds, each of them or none", () => {
    const { startTime, endTime } = toQuery({ ...EVERYTHING, span: "custom", from: "2026-03-01T08:30" }, NOW);
    expect(startTime).toBe(new Date("2026-03-01T08:30").toISOString());
    expect(endTime).toBe("");
  });
});

describe("the page's address", () => {
  it("keeps the filter", () => {
    const filter = { ...EVERYTHING, actor: "ada & co", result: "FAILED", span: "custom", until: "2026-03-01T08:30" };
    expect(fromAddress(new URLSearchParams(toAddress(filter).split("?")[1]))).toEqual(filter);
    expect(toAddress(EVERYTHING)).toBe("/audit");
    expect(isEverything(fromAddress(new URLSearchParams("other=1")))).toBe(true);
  });
});
