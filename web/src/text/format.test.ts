import { expect, it } from "vitest";

import { ago, bytes, count, enumWord, grouped, reasonWords, sentence, shortDigest } from "./format";

it("says bytes in their largest unit", () => {
  expect(["0", "1023", "1536", String(512 * 1024 ** 2), String(3 * 1024 ** 4)].map(bytes)).toEqual(["0 B", "1023 B", "1.5 KiB", "512 MiB", "3 TiB"]);
  expect(bytes(undefined)).toBe("0 B");
});

it("says how long ago, and forgives clocks that differ a little", () => {
  const now = new Date("2026-05-01T12:00:00Z");
  const before = (seconds: number): string => ago(new Date(now.getTime() - seconds * 1000), now);
  expect([2, 42, 125, 7300, 86_400 * 3, -5, -3600].map(before)).toEqual(["just now", "42 s ago", "2 min ago", "2 h ago", "3 d ago", "just now", "in 1 h"]);
});

it("counts with the right number of the noun", () => {
  expect([count(0, "cluster"), count(1, "cluster"), count(1200, "index", "indices")]).toEqual(["0 clusters", "1 cluster", "1,200 indices"]);
  expect([count(2, "registry"), count(1, "registry"), count(2, "day")]).toEqual(["2 registries", "1 registry", "2 days"]);
});

it("says enums and reasons as words", () => {
  expect(enumWord("DEPLOYMENT_STATE_RUNNING", "DEPLOYMENT_STATE")).toBe("running");
  expect(enumWord("HEALTH_UNSPECIFIED", "HEALTH")).toBe("");
  expect(reasonWords("NO_SUCH_IMAGE")).toBe("No such image");
});

it("begins sentences with a capital and leaves names as they are", () => {
  expect(sentence("start coreflow")).toBe("Start coreflow");
  expect(sentence("docker.io/library/redis:8 is missing")).toBe("docker.io/library/redis:8 is missing");
  expect(sentence("http://127.0.0.1 cannot be reached")).toBe("http://127.0.0.1 cannot be reached");
});

it("shortens digests to what people compare", () => {
  expect(shortDigest(`sha256:${"ab".repeat(32)}`)).toBe("abababababab");
  expect(shortDigest(undefined)).toBe("");
});

it("groups text that is copied by hand", () => {
  expect([grouped("ABCDEFGHIJ"), grouped("ABCD"), grouped("")]).toEqual(["ABCD EFGH IJ", "ABCD", ""]);
});
