// Logins and sessions. These calls carry their own credentials, so they go past the client's token handling.
import { send } from "./client";
import { problemOf } from "./errors";
import type { TokenPair } from "./records";

export const login = (username: string, password: string): Promise<TokenPair> => post("/api/v1/auth/login", { username, password });

/** The next pair of tokens. A refresh token works once; using an old one again ends the session. */
export const refresh = (refreshToken: string): Promise<TokenPair> => post("/api/v1/auth/refresh", { refreshToken });

export async function logout(accessToken: string): Promise<void> {
  const response = await send("/api/v1/auth/logout", { method: "POST", body: {} }, accessToken);
  if (!response.ok) throw await problemOf(response);
}

async function post(path: string, body: unknown): Promise<TokenPair> {
  const response = await send(path, { method: "POST", body }, "");
  if (!response.ok) throw await problemOf(response);
  return (await response.json()) as TokenPair;
}
