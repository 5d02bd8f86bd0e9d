import { describe, expect, it } from "vitest";

import { ApiError } from "../../api/errors";
import type { Setting } from "../../api/records";
import { groups, hint, label, updatesOf, violationsByKey } from "./setting-form";

const token: Setting = { key: "hetznerToken", provider: "hetzner", secret: true, set: true, value: "****abcd", etag: "e1", owners: ["clusters"] };
const region: Setting = { key: "awsRegion", provider: "aws" };
const host: Setting = { key: "dcrouterTargetHost", provider: "dcrouter", set: true, value: "edge", etag: "e2", owners: ["clusters"] };

describe("groups", () => {
  it("puts what Cloudly uses first", () => {
    expect(groups([region, token, host]).map(({ title, used, set }) => [title, used, set])).toEqual([
      ["Hetzner", true, true],
      ["dcrouter gateway", true, true],
      ["AWS", false, false],
    ]);
  });
});

describe("label", () => {
  it.each([
    ["hetznerToken", "hetzner", "Token"],
    ["dcrouterGatewayUrl", "dcrouter", "Gateway URL"],
    ["corebuildWorkersJson", "corebuild", "Workers JSON"],
    ["digitalOceanToken", "digitalocean", "Token"],
    ["googleCloudProjectId", "google", "Cloud project ID"],
    ["awsAccessKey", "aws", "Access key"],
  ])("%s is %s's %s", (key, provider, words) => {
    expect(label({ key, provider })).toBe(words);
  });
});

describe("updatesOf", () => {
  it("sends only what differs, with the etag that was read", () => {
    const draft = new Map([["hetznerToken", ""], ["dcrouterTargetHost", "edge"], ["awsRegion", " eu-1 "]]);
    expect(updatesOf([token, host, region], draft)).toEqual([{ key: "awsRegion", value: "eu-1", etag: "" }]);
  });

  it("clears a plain value that was emptied, never a secret", () => {
    expect(updatesOf([token, host], new Map([["hetznerToken", " "], ["dcrouterTargetHost", ""]]))).toEqual([{ key: "dcrouterTargetHost", value: "", etag: "e2" }]);
  });
});

describe("violationsByKey", () => {
  it("finds the key, and the place inside a value", () => {
    const error = new ApiError({
      violations: [
        { field: "updates[1].value", description: "is no port" },
        { field: "updates[0].value[2].token", description: "is not one word" },
        { field: "elsewhere", description: "odd" },
      ],
    });
    const sent = [
      { key: "a", value: "", etag: "" },
      { key: "b", value: "", etag: "" },
    ];
    expect([...violationsByKey(error, sent)]).toEqual([["b", "is no port"], ["a", "[2].token: is not one word"]]);
  });
});

describe("hint", () => {
  it("says what leaving it empty does", () => {
    expect(hint(token)).toContain("keeps");
    expect(hint(host)).toContain("clears");
    expect(hint(region)).toBe("");
  });
});
