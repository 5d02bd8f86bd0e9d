// What a garbage collection did or would do, out of its execution's result (services/registry, collection_report.py). Pure.
import type { Execution } from "../../api/records";
import type { Standing } from "../../state/standing";
import { count, enumWord, sentence } from "../../text/format";

export interface Entry {
  what: string;
  repository: string;
  reference: string;
  why: string;
  bytes: number;
}

export interface Report {
  tags: number;
  manifests: number;
  links: number;
  blobs: number;
  expired: number;
  bytes: number;
  waiting: number;
  waitingBytes: number;
  entries: Entry[];
  entriesLeftOut: number;
}

/** Undefined until it has ended well. */
export function reportOf({ state, result }: Execution): Report | undefined {
  return state === "EXECUTION_STATE_SUCCEEDED" && result ? (result as unknown as Report) : undefined;
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

/** One line: what went, how far it is, or why it failed. */
export function totals(execution: Execution): string {
  const report = reportOf(execution);
  if (!report) {
    const { message, done, total } = execution.progress ?? {};
    return isUnderWay(execution) ? [message, Number(total ?? 0) > 0 ? `${done ?? 0} of ${total}` : ""].filter((part) => part).join(" ") : (execution.error ?? "");
  }
  const parts: [number, string][] = [
    [report.tags, "tag"],
    [report.manifests, "manifest"],
    [report.blobs, "blob"],
    [report.expired, "quarantined thing"],
  ];
  const told = parts.filter(([number]) => number > 0).map(([number, noun]) => count(number, noun));
  return told.length > 0 ? told.join(", ") : "nothing";
}
