// What a check of the registry found, out of its execution's result (services/registry, fsck_report.py). Pure.
import type { Execution } from "../../api/records";
import { count } from "../../text/format";
import { progressOf, resultOf } from "../../state/executions";

export interface CheckReport {
  checked: Record<string, number>;
  faults: Record<string, number>;
  repaired: Record<string, number>;
  entries: { fault: string; reference: string; why: string; repaired: string; repositories: string[]; tags: string[] }[];
  entriesLeftOut: number;
}

/** One line: whether all is well. */
export function checked(execution: Execution): string {
  const report = resultOf(execution) as CheckReport | undefined;
  if (!report) return progressOf(execution);
  const faults = sum(report.faults);
  if (faults === 0) return `all is well, ${count(sum(report.checked), "thing")} checked`;
  const repaired = sum(report.repaired);
  return count(faults, "fault") + (repaired > 0 ? `, ${repaired} repaired` : "");
}

function sum(numbers: Record<string, number>): number {
  return Object.values(numbers).reduce((total, number) => total + number, 0);
}
