// The audit log: read, verified, taken home.
import type { Client } from "./client";
import { ApiError, unreachable } from "./errors";
import type { AuditEntry, AuditVerification, Page } from "./records";

export interface AuditQuery {
  filter: string;
  /** RFC 3339, "" for no bound. */
  startTime: string;
  endTime: string;
}

/** A page, newest first. */
export const listEntries = (client: Client, query: AuditQuery, pageToken: string, signal: AbortSignal): Promise<Page<"entries", AuditEntry>> =>
  client.call("/api/v1/audit/entries", { query: { ...query, pageSize: 100, pageToken }, signal });

/** Verifies the chain part after part, up to its end or its first break; `tell` hears of each part. */
export async function verify(client: Client, signal: AbortSignal, tell: (entries: number) => void): Promise<AuditVerification> {
  let entries = 0;
  let checkpoints = 0;
  let part: AuditVerification = {};
  do {
    part = await client.call<AuditVerification>("/api/v1/audit/verification", { query: { afterSequence: part.sequence, afterHash: part.hash }, signal });
    if (!part.complete && !part.broken && !part.entries) {
      throw new ApiError({ title: "The log was not verified to its end", detail: `The server did not get beyond entry ${part.sequence ?? 0}.`, action: "Try again." });
    }
    entries += part.entries ?? 0;
    checkpoints += part.checkpoints ?? 0;
    tell(entries);
  } while (!part.complete && !part.broken);
  return { ...part, entries, checkpoints };
}

/** All entries as they were hashed, each a line of JSON. */
export async function exportEntries(client: Client, signal: AbortSignal): Promise<Blob> {
  const response = await client.open("/api/v1/audit/export", { accept: "application/x-ndjson", signal });
  try {
    return await response.blob();
  } catch (error) {
    // It broke off in the middle: half of it is nothing to keep.
    if (error instanceof TypeError) throw unreachable(error);
    throw error;
  }
}
