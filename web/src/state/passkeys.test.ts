import { WebAuthnError } from "@simplewebauthn/browser";
import { expect, it } from "vitest";

import { passkeyError } from "./passkeys";

it("says in words why a browser gave no passkey", () => {
  const cause = new Error("The operation either timed out or was not allowed.");
  const refused = (code: WebAuthnError["code"], name: string): string => passkeyError(new WebAuthnError({ message: "", code, cause, name })).title;
  expect([
    refused("ERROR_PASSTHROUGH_SEE_CAUSE_PROPERTY", "NotAllowedError"),
    refused("ERROR_CEREMONY_ABORTED", "AbortError"),
    refused("ERROR_AUTHENTICATOR_PREVIOUSLY_REGISTERED", "InvalidStateError"),
    refused("ERROR_INVALID_RP_ID", "SecurityError"),
  ]).toEqual(["No passkey was used", "No passkey was used", "This device has a passkey for your account already", "Passkeys do not work at this address"]);
  expect(passkeyError(new Error("odd")).detail).toBe("odd");
});
