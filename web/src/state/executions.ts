// How an execution stands, as every page that shows some says it. Pure.
import type { Execution } from "../api/records";
import type { Standing } from "./standing";
import { enumWord, sentence } from "../text/format";

/** What came of it; undefined until it has ended well. */
export function resultOf({ state, result }: Execution): unknown {
  return state === "EXECUTION_STATE_SUCCEEDED" ? result : undefined;
}

export function isUnderWay({ state }: Execution): boolean {
  return state === "EXECUTION_STATE_QUEUED" || state === "EXECUTION_STATE_RUNNING";
}

export function executionStanding(execution: Execution): Standing {
  const label = sentence(enumWord(execution.state, "EXECUTION_STATE"));
  if (isUnderWay(execution)) return { tone: "busy", label };
  if (execution.state === "EXECUTION_STATE_SUCCEEDED") return { tone: "ok", label: "Done" };
  return { tone: execution.state === "EXECUTION_STATE_FAILED" ? "bad" : "idle", label };
}

/** How far it is, or why it failed. */
export function progressOf(execution: Execution): string {
  if (!isUnderWay(execution)) return execution.error ?? "";
  const { message, done, total } = execution.progress ?? {};
  return [message, Number(total ?? 0) > 0 ? `${done ?? 0} of ${total}` : ""].filter((part) => part).join(" ");
}
