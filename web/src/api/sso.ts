// Identity providers as records, and who one is at them.
import type { StartedLogin } from "./auth";
import type { Client } from "./client";
import { listAll } from "./list";
import type { OidcIdentity, OidcProvider, OidcReport, OidcWish, Proof } from "./records";

const PATH = "/api/v1/oidc-providers";

export const listOidcProviders = (client: Client, signal?: AbortSignal): Promise<OidcProvider[]> => listAll<OidcProvider>(client, PATH, "oidcProviders", {}, signal);

export const createOidcProvider = (client: Client, wish: OidcWish, idempotencyKey: string): Promise<OidcProvider> =>
  client.call(PATH, { method: "POST", body: wish, idempotencyKey });

/** Changes the fields that `changes` names and no others; refused when the provider has changed since it was read. */
export const updateOidcProvider = (client: Client, provider: OidcProvider, changes: Partial<OidcWish>): Promise<OidcProvider> =>
  client.call(`${PATH}/${provider.id}`, { method: "PATCH", body: changes, query: { updateMask: Object.keys(changes).join(",") }, etag: provider.etag });

export const deleteOidcProvider = (client: Client, provider: OidcProvider): Promise<unknown> => client.call(`${PATH}/${provider.id}`, { method: "DELETE" });

export const testOidcProvider = (client: Client, provider: OidcProvider): Promise<OidcReport> =>
  client.call(`${PATH}/${provider.id}/test`, { method: "POST", body: {} });

/** Who one is at providers. */
export const listOwnIdentities = async (client: Client): Promise<OidcIdentity[]> =>
  (await client.call<{ identities?: OidcIdentity[] }>("/api/v1/auth/oidc/identities")).identities ?? [];

/** Shortly after a login no proof is needed. */
export const startOidcLink = (client: Client, provider: string, proof?: Proof): Promise<StartedLogin> =>
  client.call("/api/v1/auth/oidc/link/start", { method: "POST", body: { provider, proof } });

export const completeOidcLink = async (client: Client, code: string, verifier: string): Promise<OidcIdentity> =>
  (await client.call<{ linked: OidcIdentity }>("/api/v1/auth/oidc/link/complete", { method: "POST", body: { code, verifier } })).linked;

export const unlinkIdentity = (client: Client, identity: OidcIdentity): Promise<unknown> =>
  client.call(`/api/v1/auth/oidc/identities/${identity.id}/unlink`, { method: "POST", body: {} });
