// Runs of tasks, of all services.
import type { Client } from "./client";
import type { Execution, Page } from "./records";

/** The last runs of a task, newest first. */
export async function lastRuns(client: Client, task: string, signal?: AbortSignal): Promise<Execution[]> {
  const page: Page<"executions", Execution> = await client.call("/api/v1/executions", {
    query: { filter: `task = "${task}"`, pageSize: 20 },
    ...(signal ? { signal } : {}),
  });
  return page.executions ?? [];
}
