// Where one is logged in.
import type { Client } from "./client";
import { listAll } from "./list";
import type { LoginSession } from "./records";

/** One's own that are open, the newest first. */
export const listSessions = (client: Client, signal?: AbortSignal): Promise<LoginSession[]> => listAll<LoginSession>(client, "/api/v1/auth/sessions", "sessions", {}, signal);

export const revokeSession = (client: Client, { id }: LoginSession): Promise<unknown> => client.call(`/api/v1/auth/sessions/${id}/revoke`, { method: "POST", body: {} });

export const revokeAllSessions = (client: Client, keepCurrent: boolean): Promise<unknown> =>
  client.call("/api/v1/auth/sessions/revoke-all", { method: "POST", body: { keepCurrent } });
