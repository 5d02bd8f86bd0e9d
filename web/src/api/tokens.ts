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
