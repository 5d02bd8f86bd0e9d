// Clusters and their nodes.
import type { Client } from "./client";
import type { Cluster, ClusterSignaturePolicy, CreatedCluster, Node } from "./records";
import { listAll } from "./list";

export const createCluster = (client: Client, name: string, idempotencyKey: string): Promise<CreatedCluster> =>
  client.call("/api/v1/clusters", { method: "POST", body: { cluster: { name, setupMode: "SETUP_MODE_MANUAL" } }, idempotencyKey });

export const renameCluster = (client: Client, cluster: Cluster, name: string): Promise<Cluster> =>
  client.call(`/api/v1/clusters/${cluster.id}`, { method: "PATCH", body: { name }, etag: cluster.etag });

/** What every rollout there has to be signed by; refused when the cluster has changed since it was read. */
export const setSignaturePolicy = (client: Client, { id, etag }: Cluster, signaturePolicy: ClusterSignaturePolicy): Promise<Cluster> =>
  client.call(`/api/v1/clusters/${id}`, { method: "PATCH", body: { signaturePolicy }, query: { updateMask: "signaturePolicy" }, etag });

export const deleteCluster = (client: Client, cluster: Cluster, force: boolean): Promise<unknown> =>
  client.call(`/api/v1/clusters/${cluster.id}`, { method: "DELETE", query: { force: force || undefined } });

/** A new jump code; the old one goes on working for the overlap, in seconds. */
export const rotateJumpCode = (client: Client, id: string, overlapSeconds: number): Promise<{ jumpCode: string }> =>
  client.call(`/api/v1/clusters/${id}/rotate-jump-code`, { method: "POST", body: { overlapSeconds } });

export const listNodes = (client: Client, clusterId: string, signal?: AbortSignal): Promise<Node[]> =>
  listAll<Node>(client, "/api/v1/nodes", "nodes", { clusterId }, signal);
