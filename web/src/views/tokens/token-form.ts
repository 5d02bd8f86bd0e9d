// What the form of a new token means, and what a token's reach is in words. Pure.
import type { ApiToken, ApiTokenWish } from "../../api/records";
import type { Choice } from "../../elements/form-field";
import type { Tone } from "../../state/standing";
import { count } from "../../text/format";

export type Reach = "all" | "read" | "chosen";

export interface TokenForm {
  name: string;
  /** Whose it becomes. */
  ownerId: string;
  roles: readonly string[];
  reach: Reach;
  /** With the reach "chosen". */
  permissions: readonly string[];
  /** Whether it is limited to the clusters, workloads and repositories below. */
  limited: boolean;
  clusterIds: readonly string[];
  workloadIds: readonly string[];
  repositories: readonly string[];
  /** A number of days, "date" or "never". */
  life: string;
  /** With the life "date": the last day, as 2026-01-31. */
  lastDay: string;
}

export const LIVES: readonly Choice[] = [
  { value: "7", label: "7 days" },
  { value: "30", label: "30 days" },
  { value: "90", label: "90 days" },
  { value: "365", label: "A year" },
  { value: "date", label: "Until a day…" },
  { value: "never", label: "Without an end" },
];

export const REACHES: readonly Choice[] = [
  { value: "all", label: "Everything that its roles allow" },
  { value: "read", label: "Reading only" },
  { value: "chosen", label: "Chosen permissions" },
];

const DAY_MS = 86_400_000;
const SOON_MS = 7 * DAY_MS;

export function emptyForm(ownerId: string, roles: readonly string[]): TokenForm {
  return { name: "", ownerId, roles, reach: "all", permissions: [], limited: false, clusterIds: [], workloadIds: [], repositories: [], life: "90", lastDay: "" };
}

/** What is missing, by field; the server checks all else. Nothing chosen would mean everything, which nobody means by it. */
export function missing(form: TokenForm): Map<string, string> {
  const found = new Map<string, string>();
  if (form.roles.length === 0) found.set("roles", "Choose at least one role.");
  if (form.reach === "chosen" && form.permissions.length === 0) found.set("permissions", "Choose at least one permission.");
  if (form.limited && form.clusterIds.length + form.workloadIds.length + form.repositories.length === 0) found.set("limits", "Choose at least one cluster, workload or repository.");
  if (form.life === "date" && Number.isNaN(Date.parse(form.lastDay))) found.set("expireTime", "Choose the last day on which it works.");
  return found;
}

/** The token to ask for. */
export function wishOf(form: TokenForm, now: Date): ApiTokenWish {
  const { reach, limited } = form;
  return {
    name: form.name.trim(),
    ownerId: form.ownerId,
    roles: [...form.roles],
    permissions: reach === "read" ? ["*.read"] : reach === "chosen" ? [...form.permissions] : [],
    clusterIds: limited ? [...form.clusterIds] : [],
    workloadIds: limited ? [...form.workloadIds] : [],
    repositories: limited ? [...form.repositories] : [],
    ...endOf(form, now),
  };
}

function endOf({ life, lastDay }: TokenForm, now: Date): Pick<ApiTokenWish, "expireTime" | "neverExpires"> {
  if (life === "never") return { neverExpires: true };
  // Through the whole of the last day, as the one who chose it counts days.
  const end = life === "date" ? new Date(`${lastDay}T23:59:59`) : new Date(now.getTime() + Number(life) * DAY_MS);
  return { expireTime: end.toISOString() };
}

/** What a token may do, in a few words. */
export function mayDo({ permissions = [] }: Pick<ApiToken, "permissions">): string {
  if (permissions.length === 0) return "All its roles allow";
  if (permissions.length === 1 && permissions[0] === "*.read") return "Reading only";
  return permissions.length <= 2 ? permissions.join(", ") : count(permissions.length, "permission");
}

/** Where it may do it, in a few words. */
export function where({ clusterIds = [], workloadIds = [], repositories = [] }: Pick<ApiToken, "clusterIds" | "workloadIds" | "repositories">): string {
  const limits = [
    clusterIds.length ? count(clusterIds.length, "cluster") : "",
    workloadIds.length ? count(workloadIds.length, "workload") : "",
    repositories.length ? count(repositories.length, "repository", "repositories") : "",
  ].filter((part) => part !== "");
  return limits.length === 0 ? "everywhere" : limits.join(", ");
}

export function standingOf({ expireTime }: Pick<ApiToken, "expireTime">, now: Date): { tone: Tone; label: string } {
  const left = expireTime === undefined ? Infinity : Date.parse(expireTime) - now.getTime();
  if (left <= 0) return { tone: "idle", label: "Expired" };
  return left < SOON_MS ? { tone: "warn", label: "Ends soon" } : { tone: "ok", label: "Active" };
}
