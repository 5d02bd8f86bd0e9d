// Workloads: the wish, its versions, going back to one.
import type { Client } from "./client";
import { listAll } from "./list";
import type { Workload, WorkloadVersion, WorkloadWish } from "./records";

export const getWorkload = (client: Client, id: string, signal?: AbortSignal): Promise<Workload> =>
  client.call(`/api/v1/workloads/${id}`, signal ? { signal } : {});

export const createWorkload = (client: Client, wish: WorkloadWish, idempotencyKey: string): Promise<Workload> =>
  client.call("/api/v1/workloads", { method: "POST", body: wish, idempotencyKey });

/** Changes the fields that `changes` names and no others; refused when the etag is stale. */
export const updateWorkload = (client: Client, id: string, changes: Partial<WorkloadWish>, etag?: string): Promise<Workload> =>
  client.call(`/api/v1/workloads/${id}`, {
    method: "PATCH",
    body: changes,
    query: { updateMask: Object.keys(changes).join(",") },
    etag,
  });

export const deleteWorkload = (client: Client, workload: Workload): Promise<unknown> =>
  client.call(`/api/v1/workloads/${workload.id}`, { method: "DELETE" });

export const rollbackWorkload = (client: Client, id: string, generation: string): Promise<Workload> =>
  client.call(`/api/v1/workloads/${id}/rollback`, { method: "POST", body: { generation } });

export const listVersions = (client: Client, id: string, signal?: AbortSignal): Promise<WorkloadVersion[]> =>
  listAll<WorkloadVersion>(client, `/api/v1/workloads/${id}/versions`, "versions", {}, signal);
