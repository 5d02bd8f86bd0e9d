// The registry as a whole: what it holds, and the collections of its garbage.
import type { Client } from "./client";
import type { Execution, Page, RegistryUsage } from "./records";

export const registryUsage = (client: Client, signal?: AbortSignal): Promise<RegistryUsage> => client.call("/api/v1/registry/usage", signal ? { signal } : {});

/** Starts a collection; the answer is its execution. A dry run changes nothing. */
export const collectGarbage = (client: Client, dryRun: boolean): Promise<Execution> =>
  client.call("/api/v1/registry/gc", { method: "POST", body: { dryRun } });

/** The last collections, newest first. */
export async function lastCollections(client: Client, signal?: AbortSignal): Promise<Execution[]> {
  const page: Page<"executions", Execution> = await client.call("/api/v1/executions", {
    query: { filter: 'task = "collect-garbage"', pageSize: 20 },
    ...(signal ? { signal } : {}),
  });
  return page.executions ?? [];
}
