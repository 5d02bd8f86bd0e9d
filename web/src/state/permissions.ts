// What is worth showing to whom. The server decides on each call (kit/cloudly_kit/access.py has the table of roles); this only
// spares people the entries and buttons that it would refuse.
import type { Identity } from "../api/records";

const READERS: readonly string[] = ["admin", "operator", "viewer"];

/** `users.read` */
export const readsUsers = (identity: Identity | undefined): boolean => (identity?.roles ?? []).some((role) => READERS.includes(role));

/** `users.write` */
export const writesUsers = (identity: Identity | undefined): boolean => (identity?.roles ?? []).includes("admin");

/** `settings.manage` */
export const managesSettings = writesUsers;

/** `audit.read` */
export const readsAudit = writesUsers;
