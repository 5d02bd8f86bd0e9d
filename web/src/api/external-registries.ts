// Registries of others that workloads' images come from.
import type { Client } from "./client";
import { listAll } from "./list";
import type { ExternalRegistry, ExternalRegistryWish } from "./records";

export const listExternalRegistries = (client: Client, signal?: AbortSignal): Promise<ExternalRegistry[]> =>
  listAll<ExternalRegistry>(client, PATH, "externalRegistries", {}, signal);

export const createExternalRegistry = (client: Client, wish: ExternalRegistryWish, idempotencyKey: string): Promise<ExternalRegistry> =>
  client.call(PATH, { method: "POST", body: wish, idempotencyKey });

/** Changes the fields that `changes` names; without a password in it the one that is kept stays. */
export const updateExternalRegistry = (client: Client, { id, etag }: ExternalRegistry, changes: Partial<ExternalRegistryWish>): Promise<ExternalRegistry> =>
  client.call(`${PATH}/${id}`, { method: "PATCH", body: changes, query: { updateMask: Object.keys(changes).join(",") }, etag });

export const deleteExternalRegistry = (client: Client, { id }: ExternalRegistry): Promise<unknown> => client.call(`${PATH}/${id}`, { method: "DELETE" });

/** Logs in there; the answer says what came of it. */
export const checkExternalRegistry = (client: Client, id: string): Promise<ExternalRegistry> => client.call(`${PATH}/${id}/check`, { method: "POST", body: {} });

const PATH = "/api/v1/external-registries";
