// Who may use Cloudly, and the one-time links that were given out. Neither has a watch: both are read again now and then.
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, query, state } from "lit/decorators.js";

import type { Invitation, IssuedLink, User } from "../../api/records";
import { createUser, deleteUser, invite, issueResetLink, listInvitations, listUsers, resetFactors, revokeInvitation, signOut, updateUser } from "../../api/users";
import type { ConfirmDialog } from "../../elements/confirm-dialog";
import "../../elements/confirm-dialog";
import type { Column } from "../../elements/data-table";
import "../../elements/data-table";
import "../../elements/dialog";
import "../../elements/empty-state";
import { icon } from "../../elements/icon";
import type { MenuItem } from "../../elements/menu";
import "../../elements/menu";
import "../../elements/page";
import "../../elements/problem-box";
import "../../elements/relative-time";
import "../../elements/status-pill";
import { toast, toastError } from "../../elements/toasts";
import { Polled } from "../../state/polled";
import { client, permissions } from "../../state/world";
import { shared } from "../../styles/shared";
import { enumWord } from "../../text/format";
import "./factor-policy";
import "./one-time-link";
import type { RolesDialog } from "./roles-dialog";
import "./roles-dialog";
import type { UserAddDialog } from "./user-add-dialog";
import "./user-add-dialog";

type Action = "roles" | "reset" | "factors" | "sign-out" | "disable" | "enable" | "delete";

@customElement("cl-user-list")
export class UserList extends LitElement {
  @state() private issued: IssuedLink | undefined;
  @query("cl-confirm") private confirm!: ConfirmDialog;
  @query("cl-user-add-dialog") private adding!: UserAddDialog;
  @query("cl-roles-dialog") private rolesDialog!: RolesDialog;
  private readonly people = new Polled(this, async (signal) => {
    const [users, links] = await Promise.all([listUsers(client, signal), listInvitations(client, signal)]);
    return { users, links: links.filter((link) => link.state === "INVITATION_STATE_PENDING") };
  });

  static override styles = shared;

  override render(): TemplateResult {
    const writes = permissions.allows("users.write");
    const { issued } = this;
    const links = this.people.value?.links ?? [];
    return html`<cl-page heading="Users">
        ${writes
          ? html`<button slot="actions" type="button" @click=${() => this.adding.show("invite")}>${icon("key")} Invite</button>
              <button slot="actions" type="button" class="primary" @click=${() => this.adding.show("create")}>${icon("plus")} New user</button>`
          : nothing}
        <div class="stack">
          <cl-problem .error=${this.people.error}></cl-problem>
          ${this.renderUsers(writes)} ${links.length > 0 ? this.renderLinks(writes, links) : nothing}
          <cl-factor-policy></cl-factor-policy>
        </div>
      </cl-page>
      <cl-confirm></cl-confirm>
      <cl-user-add-dialog
        .create=${async (name: string, roles: readonly string[], password: string, key: string) => {
          await createUser(client, name, roles, password, key);
          toast(`User ${name} was created.`);
          await this.people.read();
        }}
        .invite=${async (name: string, roles: readonly string[], email: string, key: string) => {
          const made = await invite(client, name, roles, email, key);
          await this.people.read();
          return made;
        }}
      ></cl-user-add-dialog>
      <cl-roles-dialog .save=${async (user: User, roles: readonly string[]) => this.change(user, { roles: [...roles] })}></cl-roles-dialog>
      <cl-dialog heading="Reset link for ${issued?.invitation.name ?? ""}" ?open=${issued !== undefined} @closed=${() => (this.issued = undefined)}>
        ${issued ? html`<cl-one-time-link .issued=${issued}></cl-one-time-link>` : nothing}
        <button slot="footer" type="button" class="primary" @click=${() => (this.issued = undefined)}>Done</button>
      </cl-dialog>`;
  }

  private renderUsers(writes: boolean): TemplateResult {
    const users = this.people.value?.users;
    if (!users) return html`<div class="panel" ?hidden=${this.people.error !== undefined}><cl-empty symbol="wait" heading="Reading users…"></cl-empty></div>`;
    const columns = writes ? [...USER_COLUMNS, this.actionColumn()] : USER_COLUMNS;
    return html`<div class="panel">
      <cl-table
        label="Users"
        noun="user"
        .columns=${columns}
        .rows=${users}
        .order=${{ key: "name", descending: false }}
        .text=${(user: User) => [user.name, user.id, kindOf(user), standingOf(user).label, ...(user.roles ?? [])].join(" ")}
      ></cl-table>
    </div>`;
  }

  private renderLinks(writes: boolean, links: readonly Invitation[]): TemplateResult {
    const revoke: Column<Invitation> = {
      key: "actions",
      title: "",
      width: "76px",
      align: "end",
      render: (link) => html`<button type="button" class="compact" aria-label="Revoke the link for ${link.name}" @click=${() => this.askToRevoke(link)}>Revoke</button>`,
    };
    return html`<section class="panel" aria-labelledby="links">
      <header><h2 id="links">Links not used yet</h2></header>
      <cl-table label="Links not used yet" noun="link" .columns=${writes ? [...LINK_COLUMNS, revoke] : LINK_COLUMNS} .rows=${links}></cl-table>
    </section>`;
  }

  private actionColumn(): Column<User> {
    return {
      key: "actions",
      title: "",
      width: "40px",
      align: "end",
      render: (user) => html`<cl-menu compact label="Actions on ${user.name}" symbol="menu" .items=${actionsOn(user)} @chosen=${(event: CustomEvent<string>) => void this.act(user, event.detail as Action)}></cl-menu>`,
    };
  }

  private async act(user: User, action: Action): Promise<void> {
    try {
      if (action === "roles") this.rolesDialog.show(user);
      else if (action === "enable") await this.change(user, { disabled: false });
      else if (action === "reset") await this.askToReset(user);
      else if (action === "factors") await this.askToResetFactors(user);
      else if (action === "sign-out") await this.askToSignOut(user);
      else if (action === "disable") await this.askToDisable(user);
      else await this.askToDelete(user);
    } catch (error) {
      toastError(error);
    }
  }

  private async askToReset(user: User): Promise<void> {
    let issued: IssuedLink | undefined;
    const done = await this.confirm.ask({
      heading: `Make a reset link for ${user.name}?`,
      text: "You get a link, shown once, with which they choose a new password. The password they have works until then.",
      verb: "Make link",
      danger: false,
      act: async () => {
        issued = await issueResetLink(client, user);
        await this.people.read();
      },
    });
    if (done) this.issued = issued;
  }

  private async askToResetFactors(user: User): Promise<void> {
    await this.confirm.ask({
      heading: `Reset the second factors of ${user.name}?`,
      text: "For somebody who has lost them. They are logged out everywhere, and the password alone logs them in until they set one up again: be sure that it is them who asks.",
      dies: ["Their authenticator app", "Their passkeys", "Their recovery codes"],
      verb: "Reset second factors",
      act: async () => {
        await resetFactors(client, user);
        toast(`The second factors of ${user.name} were reset.`);
      },
    });
  }

  private async askToSignOut(user: User): Promise<void> {
    await this.confirm.ask({
      heading: `Sign ${user.name} out everywhere?`,
      text: "All their sessions end; they can log in again. API tokens go on working.",
      verb: "Sign out",
      act: async () => {
        await signOut(client, user);
        toast(`${user.name} was signed out everywhere.`);
      },
    });
  }

  private async askToDisable(user: User): Promise<void> {
    await this.confirm.ask({
      heading: `Disable ${user.name}?`,
      text: "They are logged out everywhere and cannot log in until they are enabled again.",
      verb: "Disable user",
      act: () => this.change(user, { disabled: true }),
    });
  }

  private async askToDelete(user: User): Promise<void> {
    await this.confirm.ask({
      heading: `Delete user ${user.name}?`,
      text: "They are logged out everywhere. This cannot be undone; to keep somebody out for a while, disable them.",
      dies: [`The user ${user.name}, their sessions and API tokens`],
      verb: "Delete user",
      typed: user.name,
      act: async () => {
        await deleteUser(client, user);
        toast(`User ${user.name} was deleted.`);
        await this.people.read();
      },
    });
  }

  private async askToRevoke(link: Invitation): Promise<void> {
    await this.confirm.ask({
      heading: `Revoke the link for ${link.name}?`,
      text: "Whoever opens it then is told that it has ended.",
      verb: "Revoke link",
      act: async () => {
        await revokeInvitation(client, link);
        await this.people.read();
      },
    });
  }

  private async change(user: User, changes: Partial<Pick<User, "roles" | "disabled">>): Promise<void> {
    await updateUser(client, user, changes);
    await this.people.read();
  }
}

const USER_COLUMNS: readonly Column<User>[] = [
  { key: "name", title: "Name", width: "minmax(72px, 2fr)", sort: ({ name }) => name, render: ({ name }) => html`<strong class="name">${name}</strong>` },
  { key: "state", title: "State", width: "100px", sort: (user) => standingOf(user).label, render: (user) => html`<cl-status .standing=${standingOf(user)}></cl-status>` },
  { key: "type", title: "Type", width: "90px", hideBelow: 620, sort: kindOf, render: (user) => html`<span class="muted">${kindOf(user)}</span>` },
  { key: "roles", title: "Roles", width: "minmax(64px, 2fr)", sort: rolesOf, render: rolesOf },
  { key: "created", title: "Created", width: "110px", hideBelow: 520, sort: ({ createTime }) => createTime ?? "", render: ({ createTime }) => html`<cl-time class="muted" .at=${createTime}></cl-time>` },
];

const LINK_COLUMNS: readonly Column<Invitation>[] = [
  { key: "name", title: "For", width: "minmax(72px, 2fr)", sort: ({ name }) => name, render: ({ name }) => html`<strong class="name">${name}</strong>` },
  { key: "kind", title: "Kind", width: "minmax(72px, 1fr)", render: ({ kind }) => (kind === "INVITATION_KIND_RESET" ? "Password reset" : "Invitation") },
  { key: "roles", title: "Roles", width: "minmax(90px, 1fr)", hideBelow: 620, render: rolesOf },
  { key: "by", title: "Made by", width: "minmax(80px, 1fr)", hideBelow: 760, render: ({ invitedBy }) => html`<span class="muted">${invitedBy}</span>` },
  { key: "ends", title: "Ends", width: "60px", sort: ({ expireTime }) => expireTime ?? "", render: ({ expireTime }) => html`<cl-time class="muted" .at=${expireTime}></cl-time>` },
];

function actionsOn(user: User): MenuItem[] {
  return [
    { value: "roles", label: "Edit roles", symbol: "edit" },
    // A machine has neither password nor sessions, and who is disabled could not use new ones.
    ...(user.disabled || user.type === "IDENTITY_TYPE_MACHINE"
      ? []
      : ([
          { value: "reset", label: "Make reset link", symbol: "key" },
          { value: "factors", label: "Reset second factors", symbol: "shield" },
          { value: "sign-out", label: "Sign out everywhere", symbol: "logout" },
        ] as const)),
    user.disabled ? { value: "enable", label: "Enable", symbol: "check" } : { value: "disable", label: "Disable", symbol: "minus" },
    { value: "delete", label: "Delete", symbol: "trash", danger: true },
  ];
}

function standingOf({ disabled }: User): { tone: "ok" | "idle"; label: string } {
  return disabled ? { tone: "idle", label: "Disabled" } : { tone: "ok", label: "Enabled" };
}

function kindOf({ type }: User): string {
  return enumWord(type, "IDENTITY_TYPE");
}

function rolesOf({ roles }: { roles?: string[] }): string {
  return roles?.join(", ") ?? "";
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-user-list": UserList;
  }
}
