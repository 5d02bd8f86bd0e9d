import { describe, expect, it } from "vitest";

import type { OidcProvider } from "../../api/records";
import { draftOf, wishOf } from "./provider-form";

const corp: OidcProvider = {
  id: "a",
  name: "corp",
  issuer: "https://login.example.com",
  clientId: "cloudly",
  hasClientSecret: true,
  scopes: ["profile", "groups"],
  roleMappings: [{ group: "ops", role: "operator" }],
  autoCreate: true,
};

describe("wishOf", () => {
  it("gives back what was there, and no secret", () => {
    const wish = wishOf(draftOf(corp));
    expect(wish).toMatchObject({ name: "corp", scopes: ["profile", "groups"], roleMappings: [{ group: "ops", role: "operator" }], autoCreate: true, disabled: false, emailDomains: [] });
    expect("clientSecret" in wish).toBe(false);
  });

  it("takes words apart and leaves empty rows out", () => {
    const wish = wishOf({ ...draftOf(undefined), emailDomains: " a.example,  b.example ", mappings: [{ group: "", role: "viewer" }], clientSecret: " kept as it is " });
    expect([wish.emailDomains, wish.roleMappings, wish.clientSecret]).toEqual([["a.example", "b.example"], [], " kept as it is "]);
  });
});
