// People, and the one-time links by which somebody becomes a user or chooses a new password.
import type { Client } from "./client";
import { listAll } from "./list";
import type { Invitation, IssuedLink, User } from "./records";

export const listUsers = (client: Client, signal?: AbortSignal): Promise<User[]> => listAll<User>(client, "/api/v1/users", "users", {}, signal);

export const createUser = (client: Client, name: string, roles: readonly string[], password: string, idempotencyKey: string): Promise<User> =>
  client.call("/api/v1/users", { method: "POST", body: { user: { name, roles, password } }, idempotencyKey });

/** Changes the fields that `changes` names and no others; refused when the user has changed since it was read. */
export const updateUser = (client: Client, user: User, changes: Partial<Pick<User, "roles" | "disabled">>): Promise<User> =>
  client.call(`/api/v1/users/${user.id}`, { method: "PATCH", body: changes, query: { updateMask: Object.keys(changes).join(",") }, etag: user.etag });

export const deleteUser = (client: Client, user: User): Promise<unknown> => client.call(`/api/v1/users/${user.id}`, { method: "DELETE" });

/** Ends the earlier reset links of the user; the password they have works until the link is used. */
export const issueResetLink = (client: Client, user: User): Promise<IssuedLink> =>
  client.call(`/api/v1/users/${user.id}/reset-link`, { method: "POST", body: {} });

/** Invitations and reset links of the last 30 days, used up or not. */
export const listInvitations = (client: Client, signal?: AbortSignal): Promise<Invitation[]> =>
  listAll<Invitation>(client, "/api/v1/invitations", "invitations", {}, signal);

/** The link is mailed, too, where there is an address and a mail server. */
export const invite = (client: Client, name: string, roles: readonly string[], email: string, idempotencyKey: string): Promise<IssuedLink> =>
  client.call("/api/v1/invitations", { method: "POST", body: { invitation: { name, roles, email } }, idempotencyKey });

export const revokeInvitation = (client: Client, invitation: Invitation): Promise<Invitation> =>
  client.call(`/api/v1/invitations/${invitation.id}/revoke`, { method: "POST", body: {} });

/** Takes all second factors from a user who has lost them, and ends their sessions. */
export const resetFactors = (client: Client, { id }: User): Promise<unknown> => client.call(`/api/v1/users/${id}/factors/reset`, { method: "POST", body: {} });

/** Ends all sessions of a user. */
export const signOut = (client: Client, { id }: User): Promise<unknown> => client.call(`/api/v1/users/${id}/sessions/revoke-all`, { method: "POST", body: {} });
