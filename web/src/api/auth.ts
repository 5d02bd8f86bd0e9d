// Logins and sessions. These calls carry their own credentials, so they go past the client's token handling.
import { send } from "./client";
import { problemOf } from "./errors";
import type { LoginChallenge, PasskeyChallenge, TokenPair } from "./records";

export const login = (username: string, password: string): Promise<TokenPair | { challenge: LoginChallenge }> =>
  post("/api/v1/auth/login", { username, password });

/** A code of the authenticator app, a recovery code, or what a passkey answered, as JSON. */
export type LoginAnswer = { code: string } | { credential: string };

/** The second step, or the only one of a login with a passkey. */
export const completeLogin = (challenge: string, answer: LoginAnswer): Promise<TokenPair> => post("/api/v1/auth/login/complete", { challenge, ...answer });

/** For a login with a passkey alone; it tells who it is. */
export const beginPasskeyLogin = (): Promise<PasskeyChallenge> => post("/api/v1/auth/login/passkey", {});

/** The next pair of tokens. A refresh token works once; using an old one again ends the session. */
export const refresh = (refreshToken: string): Promise<TokenPair> => post("/api/v1/auth/refresh", { refreshToken });

export async function logout(accessToken: string): Promise<void> {
  const response = await send("/api/v1/auth/logout", { method: "POST", body: {} }, accessToken);
  if (!response.ok) throw await problemOf(response);
}

/** An identity provider that one can log in by. */
export interface LoginProvider {
  name: string;
  displayName: string;
}

/** How one can log in here. */
export interface LoginOptions {
  providers?: LoginProvider[];
  /** Whether passkeys work at Cloudly's public address. */
  passkeys?: boolean;
  /** Whether somebody has a password already; a server of an earlier version does not say. */
  password?: boolean;
}

export async function loginOptions(): Promise<LoginOptions> {
  const response = await send("/api/v1/auth/login-options", {}, "");
  if (!response.ok) throw await problemOf(response);
  return (await response.json()) as LoginOptions;
}

/** Where to go to log in, and the secret that the way back is completed with. */
export interface StartedLogin {
  authorizationUrl: string;
  verifier: string;
}

export const startOidcLogin = (provider: string): Promise<StartedLogin> => post("/api/v1/auth/oidc/start", { provider });

export const completeOidcLogin = (code: string, verifier: string): Promise<TokenPair | { challenge: LoginChallenge }> =>
  post("/api/v1/auth/oidc/complete", { code, verifier });

/** What a one-time link is for. */
export interface Invitation {
  name: string;
  kind: "INVITATION_KIND_INVITE" | "INVITATION_KIND_RESET";
}

export const lookUpInvitation = (token: string): Promise<Invitation> => post("/api/v1/auth/invitations/look-up", { token });

/** Uses a link up. A new user is logged in at once; undefined after a reset, which a login follows. */
export async function acceptInvitation(token: string, password: string): Promise<TokenPair | undefined> {
  const pair = await post<Partial<TokenPair>>("/api/v1/auth/invitations/accept", { token, password });
  return pair.accessToken ? (pair as TokenPair) : undefined;
}

async function post<Answer = TokenPair>(path: string, body: unknown): Promise<Answer> {
  const response = await send(path, { method: "POST", body }, "");
  if (!response.ok) throw await problemOf(response);
  return (await response.json()) as Answer;
}
