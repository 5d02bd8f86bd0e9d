import { expect, it } from "vitest";

import { fit, safeNext } from "./router";

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
