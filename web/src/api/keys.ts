// Cloudly's own keys: the master keys that seal secrets, and those that sign tokens. No key is ever shown.
import type { Client } from "./client";
import type { Execution, MasterKey, SigningKey } from "./records";

/** The current one first, with how much is sealed with each. */
export async function listMasterKeys(client: Client, signal?: AbortSignal): Promise<MasterKey[]> {
  const answer: { masterKeys?: MasterKey[] } = await client.call("/api/v1/auth/master-keys", signal ? { signal } : {});
  return answer.masterKeys ?? [];
}

export const rotateMasterKey = (client: Client, idempotencyKey: string): Promise<Execution> =>
  client.call("/api/v1/auth/master-keys/rotate", { method: "POST", body: {}, idempotencyKey });

/** For ever. */
export const dropPreviousMasterKeys = (client: Client, idempotencyKey: string): Promise<Execution> =>
  client.call("/api/v1/auth/master-keys/drop-previous", { method: "POST", body: {}, idempotencyKey });

/** Newest first. */
export async function listSigningKeys(client: Client, signal?: AbortSignal): Promise<SigningKey[]> {
  const answer: { signingKeys?: SigningKey[] } = await client.call("/api/v1/auth/signing-keys", signal ? { signal } : {});
  return answer.signingKeys ?? [];
}

export const rotateSigningKeys = (client: Client, idempotencyKey: string): Promise<unknown> =>
  client.call("/api/v1/auth/signing-keys/rotate", { method: "POST", body: {}, idempotencyKey });
