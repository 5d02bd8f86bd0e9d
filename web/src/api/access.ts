// What somebody may do, asked instead of tried.
import type { Client } from "./client";
import type { PermissionResult } from "./records";

/** The permissions that the caller has, or a user. */
export async function permissionsOf(client: Pick<Client, "call">, userId = ""): Promise<string[]> {
  const { results } = await client.call<{ results?: PermissionResult[] }>("/api/v1/auth/permissions", { query: { userId } });
  return (results ?? []).filter(({ allowed }) => allowed).map(({ permission }) => permission);
}
