import { expect, it } from "vitest";

import type { Identity } from "./api/records";
import { diversion, fit, safeNext, type Audience } from "./router";

it("takes parameters out of a path, decoded", () => {
  expect(fit("/clusters/:id", "/clusters/a%20b")).toEqual({ id: "a b" });
  expect(fit("/workloads/:id/edit", "/workloads/w1/edit/")).toEqual({ id: "w1" });
  expect(fit("/clusters", "/clusters/x")).toBeUndefined();
  expect(fit("/", "/")).toEqual({});
});

it("leaves a path that cannot be decoded as it is", () => {
  expect(fit("/images/:id", "/images/%E0%A4%A")).toEqual({ id: "%E0%A4%A" });
});

it("follows only addresses of the dashboard itself after a login", () => {
  expect(["/workloads?only=attention", "//evil.example", "/\\evil.example", "https://evil.example", "/login?next=/", null].map(safeNext)).toEqual([
    "/workloads?only=attention", "/", "/", "/", "/", "/",
  ]);
});

it("leads everybody to the pages that are for them, and keeps in mind where they wanted to go", () => {
  const member = { id: "u1", name: "ada" };
  const enrolling = { ...member, mustEnrol: true };
  const led = (audience: Audience, identity: Identity | undefined, address: string): string | undefined => {
    const { pathname, searchParams } = new URL(address, "http://localhost");
    return diversion(audience, identity, pathname, searchParams);
  };
  expect(led("member", member, "/clusters")).toBeUndefined();
  expect(led("anybody", undefined, "/invite")).toBeUndefined();
  expect(led("member", undefined, "/workloads?only=attention")).toBe("/login?next=%2Fworkloads%3Fonly%3Dattention");
  expect(led("guest", member, "/login?next=%2Fclusters")).toBe("/clusters");
  expect(led("member", enrolling, "/clusters")).toBe("/enrol?next=%2Fclusters");
  expect(led("guest", enrolling, "/login?next=%2Fclusters")).toBe("/enrol?next=%2Fclusters");
  expect(led("enrolling", undefined, "/enrol?next=%2Fclusters")).toBe("/login?next=%2Fclusters");
  expect(led("enrolling", member, "/enrol?next=%2Fclusters")).toBe("/clusters");
  expect(led("enrolling", enrolling, "/enrol")).toBeUndefined();
});
