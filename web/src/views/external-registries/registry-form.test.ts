import { expect, it } from "vitest";

import type { ExternalRegistry, Image } from "../../api/records";
import { changesOf, copiedFrom, formOf, pullThrough, standingOf, wishOf } from "./registry-form";

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

it("caches by a prefix, with the server's own times where none are given", () => {
  const form = { ...formOf(registry), cachePrefix: " ghcr ", cacheDays: "30" };
  expect(changesOf(registry, form)).toEqual({ cachePrefix: "ghcr", cacheDays: 30 });
  expect(wishOf({ ...form, type: "EXTERNAL_REGISTRY_TYPE_NPM" }).cachePrefix).toBe("");
});

it("knows the copies by the prefix", () => {
  const image = (repository: string, sizeBytes: string, pushTime: string): Image => ({ id: repository, name: repository, repository, sizeBytes, versions: [{ tag: "v1", pushTime }] });
  const images = [image("hub/library/nginx", "1024", "2026-01-02T00:00:00Z"), image("hub/library/redis", "512", "2026-01-03T00:00:00Z"), image("hubble/app", "1", "2026-01-09T00:00:00Z")];
  expect(copiedFrom(registry, images)).toBeUndefined();
  expect(copiedFrom({ cachePrefix: "hub" }, images)).toEqual({ images: images.slice(0, 2), sizeBytes: 1536, lastUse: "2026-01-03T00:00:00Z" });
});

it("says how to pull through it", () => {
  expect(pullThrough({ cachePrefix: "hub", server: "docker.io" }, "r.example.com")).toBe("docker pull r.example.com/hub/library/nginx:latest");
  expect(pullThrough({ cachePrefix: "ghcr", server: "ghcr.io" }, "r.example.com")).toBe("docker pull r.example.com/ghcr/<repository>:<tag>");
});
