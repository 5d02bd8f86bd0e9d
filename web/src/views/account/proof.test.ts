import { expect, it } from "vitest";

import { ApiError } from "../../api/errors";
import { proofWays, wantsProof } from "./proof";

it("offers what the account has and the browser can", () => {
  const passkeys = [{ id: "p1", name: "laptop" }];
  expect(proofWays({ password: true }, true)).toEqual(["password"]);
  expect(proofWays({ password: true, totp: true, passkeys, passkeysPossible: true, recoveryCodesLeft: 10 }, true)).toEqual(["password", "code", "passkey"]);
  expect(proofWays({ passkeys, passkeysPossible: true, recoveryCodesLeft: 10 }, false)).toEqual(["code"]);
  expect(proofWays({}, true)).toEqual([]);
});

it("tells a missing proof from other refusals", () => {
  expect(wantsProof(new ApiError({ violations: [{ field: "proof", description: "is needed" }] }))).toBe(true);
  expect(wantsProof(new ApiError({ violations: [{ field: "code", description: "is wrong" }] }))).toBe(false);
});
