// What a garbage collection did or would do, out of its execution's result (services/registry, collection_report.py). Pure.
import type { Execution } from "../../api/records";
import { bytes, count } from "../../text/format";
import { progressOf, resultOf } from "../../state/executions";

export interface CollectionReport {
  tags: number;
  manifests: number;
  blobs: number;
  expired: number;
  bytes: number;
  waiting: number;
  waitingBytes: number;
  entries: { what: string; repository: string; reference: string; why: string; bytes: number }[];
  entriesLeftOut: number;
}

/** One line: what went. */
export function collected(execution: Execution): string {
  const report = resultOf(execution) as CollectionReport | undefined;
  if (!report) return progressOf(execution);
  const parts: [number, string][] = [
    [report.tags, "tag"],
    [report.manifests, "manifest"],
    [report.blobs, "blob"],
    [report.expired, "quarantined thing"],
  ];
  const told = parts.filter(([number]) => number > 0).map(([number, noun]) => count(number, noun));
  return told.length > 0 ? told.join(", ") + (report.bytes > 0 ? `, ${bytes(report.bytes)} freed` : "") : "nothing to collect";
}
