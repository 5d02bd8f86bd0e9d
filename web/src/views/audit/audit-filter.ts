// What to look for in the audit log: between the form, the page's address and the API's filter language. Pure.
import type { AuditQuery } from "../../api/audit";
import type { Choice } from "../../elements/form-field";

export interface AuditFilter {
  /** The name of who did it, or its beginning. */
  actor: string;
  /** Such as UserService.CreateUser, or its beginning. */
  method: string;
  /** Such as cluster. */
  kind: string;
  /** A resource's id, or its name or the name's beginning. */
  resource: string;
  /** DONE, DENIED, …; "" for all. */
  result: string;
  /** Hours back from now, "" for all time, or "custom". */
  span: string;
  /** With the span "custom": local times as the control gives them. */
  from: string;
  until: string;
}

export const EVERYTHING: AuditFilter = { actor: "", method: "", kind: "", resource: "", result: "", span: "", from: "", until: "" };

export const RESULTS: readonly Choice[] = [
  { value: "", label: "All" },
  { value: "DONE", label: "Done" },
  { value: "DENIED", label: "Denied" },
  { value: "FAILED", label: "Failed" },
  { value: "UNKNOWN", label: "Unknown" },
];

export const SPANS: readonly Choice[] = [
  { value: "", label: "All time" },
  { value: "1", label: "The last hour" },
  { value: "24", label: "The last day" },
  { value: "168", label: "The last 7 days" },
  { value: "720", label: "The last 30 days" },
  { value: "custom", label: "From … until …" },
];

const ID = /^[a-z2-7]{20}$/;
const HOUR_MS = 3_600_000;

export function fromAddress(query: URLSearchParams): AuditFilter {
  const entries = Object.keys(EVERYTHING).map((key) => [key, query.get(key) ?? ""]);
  return Object.fromEntries(entries) as AuditFilter;
}

export function toAddress(filter: AuditFilter): string {
  const set = Object.entries(filter).filter((pair): pair is [string, string] => pair[1] !== "");
  return set.length === 0 ? "/audit" : `/audit?${new URLSearchParams(set).toString()}`;
}

export function isEverything(filter: AuditFilter): boolean {
  return toAddress(filter) === "/audit";
}

/** What to ask the API; the language is in kit/cloudly_kit/store/filtering.py. */
export function toQuery(filter: AuditFilter, now: Date): AuditQuery {
  const { actor, method, kind, resource, result } = filter;
  const named = resource.trim();
  const conditions = [
    begins("actor.name", actor),
    begins("method", method),
    begins("resource.kind", kind),
    ID.test(named) ? `resource.id = "${named}"` : begins("resource.name", named),
    result === "" ? "" : `result = "${result}"`,
  ];
  return { filter: conditions.filter((one) => one !== "").join(" AND "), ...bounds(filter, now) };
}

function begins(field: string, value: string): string {
  const text = value.trim();
  return text === "" ? "" : `${field} : "${text.replace(/["\\]/g, "\\$&")}"`;
}

function bounds({ span, from, until }: AuditFilter, now: Date): Pick<AuditQuery, "startTime" | "endTime"> {
  if (span === "custom") return { startTime: instant(from), endTime: instant(until) };
  return { startTime: span === "" ? "" : new Date(now.getTime() - Number(span) * HOUR_MS).toISOString(), endTime: "" };
}

function instant(local: string): string {
  const time = new Date(local);
  return local === "" || Number.isNaN(time.getTime()) ? "" : time.toISOString();
}
