// How keys stand, what their tasks did, and what dropping ends, in words. Pure.
import type { Execution, MasterKey, SigningKey } from "../../api/records";
import { progressOf, resultOf } from "../../state/executions";
import type { Standing } from "../../state/standing";
import { count } from "../../text/format";

const MASTER: Readonly<Record<string, Standing>> = {
  MASTER_KEY_STATE_CURRENT: { tone: "ok", label: "Current" },
  MASTER_KEY_STATE_WAITING: { tone: "busy", label: "Waiting" },
  MASTER_KEY_STATE_EARLIER: { tone: "idle", label: "Earlier" },
  MASTER_KEY_STATE_ABSENT: { tone: "bad", label: "Absent" },
};

const SIGNING: Readonly<Record<string, Standing>> = {
  SIGNING_KEY_STATE_NEXT: { tone: "idle", label: "Next" },
  SIGNING_KEY_STATE_ACTIVE: { tone: "ok", label: "Signs" },
  SIGNING_KEY_STATE_RETIRED: { tone: "idle", label: "Verifies" },
};

export const masterKeyStanding = ({ state }: MasterKey): Standing => MASTER[state ?? ""] ?? { tone: "idle", label: "" };
export const signingKeyStanding = ({ state }: SigningKey): Standing => SIGNING[state ?? ""] ?? { tone: "idle", label: "" };

/** Numbers by service, in a line: "auth 12, registry 3". */
export function byService(numbers: Readonly<Record<string, number>> = {}): string {
  return Object.entries(numbers)
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([service, number]) => `${service} ${number}`)
    .join(", ");
}

/** Those that a drop forgets. */
export const earlierKeys = (keys: readonly MasterKey[]): MasterKey[] => keys.filter(({ state }) => state === "MASTER_KEY_STATE_EARLIER");

/** Whether Cloudly makes and forgets the keys itself; else they are given, and whoever gives them takes them out. */
export const kept = (keys: readonly MasterKey[]): boolean => keys[0]?.source === "keys file";

/** What dropping these ends. */
export function droppedWith(earlier: readonly MasterKey[]): string[] {
  return [
    ...earlier.map(({ id }) => `The master key ${id}, for ever`),
    "Backups of the database from before the rotation: nothing sealed in them opens any more, unless you have a copy of the key",
    "Logins of docker at the registry from before the rotation: each logs in once more",
  ];
}

/** One line: what a rotation sealed anew. */
export function rotated(execution: Execution): string {
  const report = resultOf(execution) as { key: string; rewrapped: Record<string, number> } | undefined;
  return report ? `to ${report.key}; sealed anew: ${byService(report.rewrapped)}` : progressOf(execution);
}

/** One line: what a drop forgot. */
export function dropped(execution: Execution): string {
  const report = resultOf(execution) as { dropped: string[] } | undefined;
  return report ? `${count(report.dropped.length, "key")}: ${report.dropped.join(", ")}` : progressOf(execution);
}
