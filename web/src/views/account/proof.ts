// The proof that some changes of an account ask for: that it is still its owner who sits here.
import type { ApiError } from "../../api/errors";
import type { Factors } from "../../api/records";

/** What an owner may prove themselves with. */
export type ProofWay = "password" | "code" | "passkey";

/** The ways there are, the most usual first. */
export function proofWays(factors: Factors, passkeysWork: boolean): ProofWay[] {
  const codes = (factors.totp ?? false) || (factors.recoveryCodesLeft ?? 0) > 0;
  const passkeys = (factors.passkeys ?? []).length > 0 && passkeysWork && (factors.passkeysPossible ?? false);
  return [...(factors.password ? (["password"] as const) : []), ...(codes ? (["code"] as const) : []), ...(passkeys ? (["passkey"] as const) : [])];
}

/** Whether a call was refused only for want of a proof, or of a right one. */
export function wantsProof(error: ApiError): boolean {
  return [...error.violations.keys()].some((field) => field === "proof" || field.startsWith("proof."));
}
