// The registry as a whole: what it holds, and what tends it.
import type { Client } from "./client";
import type { Execution, RegistryUsage } from "./records";

export const registryUsage = (client: Client, signal?: AbortSignal): Promise<RegistryUsage> => client.call("/api/v1/registry/usage", signal ? { signal } : {});

/** Starts a collection; the answer is its execution. A dry run changes nothing. */
export const collectGarbage = (client: Client, dryRun: boolean): Promise<Execution> =>
  client.call("/api/v1/registry/gc", { method: "POST", body: { dryRun } });

/** Starts a check that everything is there and is what its digest says; `deep` reads all bytes. */
export const checkRegistry = (client: Client, deep: boolean, repair: boolean): Promise<Execution> =>
  client.call("/api/v1/registry/fsck", { method: "POST", body: { deep, repair } });
