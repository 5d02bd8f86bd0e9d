import { expect, it } from "vitest";

import { keyViolation, pemBlocks, pemText } from "./pem";

const A = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----";
const B = "-----BEGIN PUBLIC KEY-----\nBBBB\n-----END PUBLIC KEY-----";

it("takes pasted keys apart, and nothing away", () => {
  expect(pemBlocks(` ${A}\n\n${B}\n`)).toEqual([A, B]);
  expect(pemBlocks(`typed by hand\n${A}`)).toEqual(["typed by hand", A]);
  expect(pemBlocks(" \n")).toEqual([]);
  expect(pemBlocks(pemText([`${A}\n`, B]))).toEqual([A, B]);
});

it("tells of keys by their number", () => {
  expect(keyViolation(new Map([["signaturePolicy.publicKeys[1]", "is no key"], ["name", "is taken"]]), "signaturePolicy.publicKeys")).toBe("Key 2: is no key");
  expect(keyViolation(new Map([["signaturePolicy.publicKeys", "is needed"]]), "signaturePolicy.publicKeys")).toBe("is needed");
});
