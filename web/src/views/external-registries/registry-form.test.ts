import { expect, it } from "vitest";

import type { ExternalRegistry } from "../../api/records";
import { changesOf, formOf, standingOf, wishOf } from "./registry-form";

const registry: ExternalRegistry = { id: "r", name: "ghcr", url: "https://ghcr.io", username: "ada", hasPassword: true };

it("takes an address as it stands in front of images", () => {
  expect(["ghcr.io", " http://localhost:5000 ", ""].map((url) => wishOf({ ...formOf(), url }).url)).toEqual(["https://ghcr.io", "http://localhost:5000", ""]);
});

it("names only what was changed, and leaves the password that is kept", () => {
  expect(changesOf(registry, formOf(registry))).toEqual({});
  expect(changesOf(registry, { ...formOf(registry), description: " GitHub ", isDefault: true })).toEqual({ description: "GitHub", isDefault: true });
  expect(changesOf(registry, { ...formOf(registry), password: "new" })).toEqual({ password: "new" });
});

it("takes the password away with the user name", () => {
  expect(changesOf(registry, { ...formOf(registry), username: "" })).toEqual({ username: "", password: "" });
  expect(changesOf({ ...registry, hasPassword: false, username: "" }, { ...formOf(registry), username: "" })).toEqual({});
});

it("says how a registry stands", () => {
  expect(standingOf(registry).label).toBe("Not checked");
  expect(standingOf({ ...registry, status: "EXTERNAL_REGISTRY_STATUS_DENIED" })).toEqual({ tone: "bad", label: "Login refused" });
});
