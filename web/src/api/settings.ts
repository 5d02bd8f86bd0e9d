// Settings: credentials of providers and switches, by key.
import type { Client } from "./client";
import type { Setting, SettingUpdate } from "./records";

/** All there are, set or not; secrets are masked. */
export async function listSettings(client: Client, signal?: AbortSignal): Promise<Setting[]> {
  const answer: { settings?: Setting[] } = await client.call("/api/v1/settings", signal ? { signal } : {});
  return answer.settings ?? [];
}

/** All of them or none; refused when one has changed since it was read. */
export const updateSettings = (client: Client, updates: readonly SettingUpdate[]): Promise<unknown> =>
  client.call("/api/v1/settings", { method: "POST", body: { updates } });

export const clearSetting = (client: Client, { key, etag }: Setting): Promise<Setting> =>
  client.call(`/api/v1/settings/${key}`, { method: "DELETE", etag });
