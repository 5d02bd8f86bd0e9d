// API tokens: with which programs act for a user.
import type { Client } from "./client";
import { listAll } from "./list";
import type { ApiToken, ApiTokenWish, CreatedApiToken } from "./records";

/** One's own, or everybody's for who may change users. */
export const listTokens = (client: Client, everybody: boolean, signal?: AbortSignal): Promise<ApiToken[]> =>
  listAll<ApiToken>(client, "/api/v1/tokens", "tokens", everybody ? { ownerId: "-" } : {}, signal);

export const createToken = (client: Client, token: ApiTokenWish, idempotencyKey: string): Promise<CreatedApiToken> =>
  client.call("/api/v1/tokens", { method: "POST", body: { token }, idempotencyKey });

export const revokeToken = (client: Client, { id }: ApiToken): Promise<unknown> => client.call(`/api/v1/tokens/${id}`, { method: "DELETE" });

/** The permissions that the caller has, or a user. */
export async function permissionsOf(client: Client, userId = "", signal?: AbortSignal): Promise<string[]> {
  const answer: { results?: { permission?: string; allowed?: boolean }[] } = await client.call("/api/v1/auth/permissions", {
    query: { userId },
    ...(signal ? { signal } : {}),
  });
  return (answer.results ?? []).filter(({ allowed }) => allowed).map(({ permission }) => permission ?? "");
}
