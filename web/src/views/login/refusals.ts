// Why a login was refused, in words for the person before it: the catalogue's are for whoever sends requests.
import type { ApiError } from "../../api/errors";
import type { FactorKind } from "../../api/records";

export type Way = FactorKind | "PASSWORD";

const WRONG: Partial<Record<Way, { title: string; action: string }>> = {
  PASSWORD: { title: "Wrong user name or password", action: "Check both; capital and small letters of the password differ." },
  FACTOR_KIND_TOTP: {
    title: "The code was not accepted",
    action: "Each works once and for half a minute: enter the next one. If it goes on, check the clock of your phone.",
  },
  FACTOR_KIND_PASSKEY: { title: "The passkey was not accepted", action: "It may have been removed from the account. Choose another way." },
  FACTOR_KIND_RECOVERY_CODE: {
    title: "The recovery code was not accepted",
    action: "Each works once, and new ones make the earlier ones void: enter another.",
  },
};

/** The refusal of a step, as it is shown. */
export function refusal(error: ApiError, way: Way): ApiError {
  if (error.reason === "RATE_LIMITED") return error.reworded({ title: "Too many failed attempts", detail: "To keep guessers out, logging in is closed for a while." });
  if (isOver(error)) return error.reworded({ title: "That took too long", detail: "The second step has to follow within five minutes.", action: "Log in again." });
  const words = error.reason === "CREDENTIALS_INVALID" ? WRONG[way] : undefined;
  return words ? error.reworded(words) : error;
}

/** Whether the login has to begin again. */
export function isOver(error: ApiError): boolean {
  return error.reason === "TOKEN_EXPIRED";
}
