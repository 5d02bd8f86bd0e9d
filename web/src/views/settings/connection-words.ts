// What a test of a connection found, in words for who set the credentials. Pure.
import type { CheckOutcome, ConnectionTest } from "../../api/records";
import type { Standing, Tone } from "../../state/standing";

export interface Check {
  name: string;
  tone: Tone;
  words: string;
}

type Words = Readonly<Record<"PASSED" | "FAILED", string>>;

const CHECKS = [
  ["reachable", "Reachable", { PASSED: "yes", FAILED: "no" }],
  ["authenticated", "Authenticated", { PASSED: "yes", FAILED: "no, it refuses the credentials" }],
  ["permitted", "Permitted", { PASSED: "yes", FAILED: "no, they may do too little" }],
] as const satisfies readonly (readonly [keyof ConnectionTest, string, Words])[];

/** The three checks, in the order in which they build on each other. */
export function checksOf(test: ConnectionTest): Check[] {
  return CHECKS.map(([field, name, words]) => ({ name, ...outcome(test[field], words) }));
}

function outcome(found: CheckOutcome | undefined, words: Words): Omit<Check, "name"> {
  if (found === "CHECK_OUTCOME_PASSED") return { tone: "ok", words: words.PASSED };
  if (found === "CHECK_OUTCOME_FAILED") return { tone: "bad", words: words.FAILED };
  return { tone: "idle", words: "not checked" };
}

export function connectionStanding({ ok }: ConnectionTest): Standing {
  return ok ? { tone: "ok", label: "Works" } : { tone: "bad", label: "Does not work" };
}
