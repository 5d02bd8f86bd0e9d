// Passkeys in this browser (WebAuthn Level 3), with refusals in words. The ceremonies' bytes are the library's business.
import { browserSupportsWebAuthn, startAuthentication, startRegistration, WebAuthnAbortService, WebAuthnError } from "@simplewebauthn/browser";
import type { PublicKeyCredentialCreationOptionsJSON, PublicKeyCredentialRequestOptionsJSON } from "@simplewebauthn/browser";

import { ApiError, type Problem } from "../api/errors";

/** Whether this browser does passkeys here; none does over plain HTTP on another host than localhost. */
export const passkeysWork = (): boolean => browserSupportsWebAuthn();

/** Asks for a passkey; the credential as the API takes it. Raises ApiError. */
export async function usePasskey(options: string): Promise<string> {
  return ceremony(() => startAuthentication({ optionsJSON: JSON.parse(options) as PublicKeyCredentialRequestOptionsJSON }));
}

/** Has a device make a passkey; the credential as the API takes it. Raises ApiError. */
export async function makePasskey(options: string): Promise<string> {
  return ceremony(() => startRegistration({ optionsJSON: JSON.parse(options) as PublicKeyCredentialCreationOptionsJSON }));
}

/** Gives up what a device is being asked for. */
export const cancelPasskey = (): void => WebAuthnAbortService.cancelCeremony();

async function ceremony(run: () => Promise<unknown>): Promise<string> {
  try {
    return JSON.stringify(await run());
  } catch (error) {
    if (error instanceof Error) throw passkeyError(error);
    throw error;
  }
}

/** What a browser's refusal means for the person before it. */
export function passkeyError(error: Error): ApiError {
  const told = error instanceof WebAuthnError ? REFUSALS[error.code] : undefined;
  const stopped = error.name === "NotAllowedError" || error.name === "AbortError";
  return new ApiError({ reason: "PASSKEY", ...(told ?? (stopped ? STOPPED : { title: "The passkey could not be used", detail: error.message })) });
}

const STOPPED: Problem = {
  title: "No passkey was used",
  detail: "The request was cancelled, took too long, or this device has none that fits.",
  action: "Try again, or choose another way.",
};

const ELSEWHERE: Problem = {
  title: "Passkeys do not work at this address",
  detail: "They belong to the address that Cloudly is set up for.",
  action: "Open the dashboard there; it needs a domain name with HTTPS, or localhost.",
};

const REFUSALS: Partial<Record<WebAuthnError["code"], Problem>> = {
  ERROR_AUTHENTICATOR_PREVIOUSLY_REGISTERED: {
    title: "This device has a passkey for your account already",
    action: "Use another device or security key.",
  },
  ERROR_AUTHENTICATOR_MISSING_DISCOVERABLE_CREDENTIAL_SUPPORT: {
    title: "This device cannot keep passkeys",
    action: "Use a phone, a newer security key, or a password manager that keeps passkeys.",
  },
  ERROR_AUTHENTICATOR_MISSING_USER_VERIFICATION_SUPPORT: {
    title: "This device cannot tell that it is you",
    detail: "A passkey asks for a fingerprint, a face or a PIN.",
    action: "Set one up on the device, or use another.",
  },
  ERROR_INVALID_DOMAIN: ELSEWHERE,
  ERROR_INVALID_RP_ID: ELSEWHERE,
};
