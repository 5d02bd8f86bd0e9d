// What one's own account proves itself with: the password, an authenticator app, passkeys, recovery codes.
import type { Client } from "./client";
import type { FactorPolicy, Factors, Passkey, PasskeyChallenge, Proof, TotpSecret } from "./records";

/** Codes that come with the first factor; empty with every other. */
interface Enrolled {
  recoveryCodes?: { code?: string }[];
}

export const getFactors = (client: Client, signal?: AbortSignal): Promise<Factors> => client.call("/api/v1/auth/factors", signal ? { signal } : {});

/** All other sessions end. */
export const changePassword = (client: Client, oldPassword: string, newPassword: string): Promise<unknown> =>
  post(client, "/api/v1/auth/password", { oldPassword, newPassword });

/** For a passkey as the proof that other calls ask for. */
export const beginProof = (client: Client): Promise<PasskeyChallenge> => post(client, "/api/v1/auth/factors/proof");

/** A secret for an authenticator app; it counts once `confirmTotp` has seen a code. Shortly after the login no proof is needed. */
export const beginTotp = (client: Client, proof?: Proof): Promise<TotpSecret> => post(client, "/api/v1/auth/factors/totp", { proof });

export const confirmTotp = async (client: Client, code: string): Promise<string[]> => codesOf(await post(client, "/api/v1/auth/factors/totp/confirm", { code }));

export const removeTotp = (client: Client, proof: Proof): Promise<unknown> => post(client, "/api/v1/auth/factors/totp/remove", { proof });

/** Options for the browser to make a passkey with. Shortly after the login no proof is needed. */
export const beginPasskey = (client: Client, proof?: Proof): Promise<PasskeyChallenge> => post(client, "/api/v1/auth/passkeys/begin", { proof });

export const createPasskey = async (client: Client, challenge: string, credential: string, name: string): Promise<string[]> =>
  codesOf(await post(client, "/api/v1/auth/passkeys", { challenge, credential, name }));

export const renamePasskey = (client: Client, passkey: Passkey, name: string): Promise<Passkey> =>
  client.call(`/api/v1/auth/passkeys/${passkey.id}`, { method: "PATCH", body: { name }, query: { updateMask: "name" } });

export const removePasskey = (client: Client, passkey: Passkey, proof: Proof): Promise<unknown> =>
  post(client, `/api/v1/auth/passkeys/${passkey.id}/remove`, { proof });

/** The earlier ones are void. */
export const regenerateRecoveryCodes = async (client: Client, proof: Proof): Promise<string[]> =>
  codesOf(await post(client, "/api/v1/auth/factors/recovery-codes", { proof }));

/** Who must have a second factor. */
export const getFactorPolicy = (client: Client, signal?: AbortSignal): Promise<FactorPolicy> => client.call("/api/v1/auth/factor-policy", signal ? { signal } : {});

/** It holds for open sessions from their next renewal on. Refused when the policy has changed since it was read. */
export const updateFactorPolicy = (client: Client, { etag }: FactorPolicy, wish: Pick<FactorPolicy, "requiredForAll" | "requiredRoles">): Promise<FactorPolicy> =>
  client.call("/api/v1/auth/factor-policy", { method: "PATCH", body: wish, query: { updateMask: "requiredForAll,requiredRoles" }, etag });

function post<Answer>(client: Client, path: string, body: unknown = {}): Promise<Answer> {
  return client.call(path, { method: "POST", body });
}

function codesOf({ recoveryCodes }: Enrolled): string[] {
  return (recoveryCodes ?? []).map(({ code }) => code ?? "");
}
