// The registry as a whole: what it holds, and the runs of its tasks.
import type { Client } from "./client";
import type { Execution, Page, RegistryUsage } from "./records";

export const registryUsage = (client: Client, signal?: AbortSignal): Promise<RegistryUsage> => client.call("/api/v1/registry/usage", signal ? { signal } : {});

/** Starts a collection; the answer is its execution. A dry run changes nothing. */
export const collectGarbage = (client: Client, dryRun: boolean): Promise<Execution> =>
  client.call("/api/v1/registry/gc", { method: "POST", body: { dryRun } });

/** Starts a check that everything is there and is what its digest says; `deep` reads all bytes. */
export const checkRegistry = (client: Client, deep: boolean, repair: boolean): Promise<Execution> =>
  client.call("/api/v1/registry/fsck", { method: "POST", body: { deep, repair } });

/** The last runs of a task, newest first. */
export async function lastRuns(client: Client, task: string, signal?: AbortSignal): Promise<Execution[]> {
  const page: Page<"executions", Execution> = await client.call("/api/v1/executions", {
    query: { filter: `task = "${task}"`, pageSize: 20 },
    ...(signal ? { signal } : {}),
  });
  return page.executions ?? [];
}
