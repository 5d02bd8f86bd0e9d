// API tokens: one's own, and for who may change users everybody's.
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, query, state } from "lit/decorators.js";

import { permissionsOf } from "../../api/access";
import type { ApiToken, ApiTokenWish, CreatedApiToken } from "../../api/records";
import { createToken, listTokens, revokeToken } from "../../api/tokens";
import { listUsers } from "../../api/users";
import type { ConfirmDialog } from "../../elements/confirm-dialog";
import "../../elements/confirm-dialog";
import type { Column } from "../../elements/data-table";
import "../../elements/data-table";
import "../../elements/empty-state";
import "../../elements/form-field";
import { icon } from "../../elements/icon";
import "../../elements/page";
import "../../elements/problem-box";
import "../../elements/relative-time";
import "../../elements/status-pill";
import { toast, toastError } from "../../elements/toasts";
import { Watching } from "../../state/collection";
import { Polled } from "../../state/polled";
import { client, clusters, images, permissions, session, workloads } from "../../state/world";
import { shared } from "../../styles/shared";
import type { Owner, TokenCreateDialog } from "./token-create-dialog";
import "./token-create-dialog";
import { mayDo, standingOf, where } from "./token-form";

const WHOSE = [
  { value: "", label: "My tokens" },
  { value: "everybody", label: "Everybody's" },
];

@customElement("cl-token-list")
export class TokenList extends LitElement {
  @state() private everybody = false;
  @state() private owners: readonly Owner[] = [];
  @query("cl-confirm") private confirm!: ConfirmDialog;
  @query("cl-token-create-dialog") private making!: TokenCreateDialog;
  private readonly tokens = new Polled(this, (signal) => listTokens(client, this.everybody, signal));
  protected readonly watching = new Watching(this, [clusters, workloads, images]);

  static override styles = shared;

  override render(): TemplateResult {
    return html`<cl-page heading="API tokens">
        <button slot="actions" type="button" class="primary" @click=${this.make}>${icon("plus")} New token</button>
        <div class="stack">
          <p class="muted">With an API token a program acts for you: the CLI, a pipeline, <code>docker login</code>. It begins with <code>cloudly_pat_</code>, and is refused as soon as it is revoked or its owner is disabled.</p>
          <cl-problem .error=${this.tokens.error}></cl-problem>
          ${this.renderTokens()}
        </div>
      </cl-page>
      <cl-confirm></cl-confirm>
      <cl-token-create-dialog
        .owners=${this.owners}
        .clusters=${clusters.all().map(({ id, name }) => ({ value: id, label: name }))}
        .workloads=${workloads.all().map(({ id, name, clusterId }) => ({ value: id, label: name, hint: clusters.get(clusterId)?.name ?? "" }))}
        .repositories=${images.all().map(({ repository, name }) => ({ value: repository ?? name, label: repository ?? name }))}
        .permissionsOf=${(ownerId: string) => permissionsOf(client, ownerId === session.identity?.id ? "" : ownerId)}
        .create=${async (wish: ApiTokenWish, key: string): Promise<CreatedApiToken> => {
          const made = await createToken(client, wish, key);
          await this.tokens.read();
          return made;
        }}
      ></cl-token-create-dialog>`;
  }

  private renderTokens(): TemplateResult {
    const rows = this.tokens.value;
    if (!rows) return html`<div class="panel" ?hidden=${this.tokens.error !== undefined}><cl-empty symbol="wait" heading="Reading tokens…"></cl-empty></div>`;
    const choosesWhose = permissions.allows("users.write");
    if (rows.length === 0 && !choosesWhose) return html`<div class="panel">${NONE}</div>`;
    return html`<div class="panel">
      <cl-table
        label="API tokens"
        noun="token"
        .columns=${[...(this.everybody ? [NAME, OWNER] : [NAME]), ...COLUMNS, this.revokeColumn()]}
        .rows=${rows}
        .order=${{ key: "name", descending: false }}
        .text=${(token: ApiToken) => [token.name, token.id, token.ownerName, mayDo(token), where(token), ...(token.roles ?? [])].join(" ")}
        .detail=${renderDetail}
      >
        ${choosesWhose ? html`<cl-field slot="tools" bare label="Whose tokens" type="select" .choices=${WHOSE} .value=${this.everybody ? "everybody" : ""} @changed=${(event: CustomEvent<string>) => this.showWhose(event.detail !== "")}></cl-field>` : nothing}
      </cl-table>
      ${rows.length === 0 ? NONE : nothing}
    </div>`;
  }

  private revokeColumn(): Column<ApiToken> {
    return {
      key: "actions",
      title: "",
      width: "76px",
      align: "end",
      render: (token) => html`<button type="button" class="compact" aria-label="Revoke the token ${token.name}" @click=${() => void this.askToRevoke(token)}>Revoke</button>`,
    };
  }

  private showWhose(everybody: boolean): void {
    this.everybody = everybody;
    void this.tokens.read();
  }

  private async make(): Promise<void> {
    const { identity } = session;
    if (!identity) return;
    const me: Owner = { id: identity.id, name: `${identity.name} (you)`, ...(identity.roles ? { roles: identity.roles } : {}) };
    try {
      const others = permissions.allows("users.write") ? (await listUsers(client)).filter(({ id, disabled }) => id !== identity.id && !disabled) : [];
      this.owners = [me, ...others];
    } catch (error) {
      toastError(error);
      return;
    }
    await this.updateComplete;
    this.making.show();
  }

  private async askToRevoke(token: ApiToken): Promise<void> {
    await this.confirm.ask({
      heading: `Revoke the token ${token.name}?`,
      text: "Whatever uses it is refused from then on. This cannot be undone.",
      ...(token.lastUseTime ? { dies: [`Last used ${new Date(token.lastUseTime).toLocaleString()}${token.lastUseAddress ? ` from ${token.lastUseAddress}` : ""}`] } : {}),
      verb: "Revoke token",
      act: async () => {
        await revokeToken(client, token);
        toast(`The token ${token.name} was revoked.`);
        await this.tokens.read();
      },
    });
  }
}

const NONE = html`<cl-empty symbol="key" heading="No token yet"><p>Make one for each program that shall work with Cloudly, so that each can be revoked alone.</p></cl-empty>`;

const NAME: Column<ApiToken> = { key: "name", title: "Name", width: "minmax(110px, 2fr)", sort: ({ name }) => name, render: ({ name }) => html`<strong class="name">${name}</strong>` };
const OWNER: Column<ApiToken> = { key: "owner", title: "Acts for", width: "minmax(80px, 1fr)", sort: ({ ownerName }) => ownerName ?? "", render: ({ ownerName, ownerId }) => (ownerName ? ownerName : html`<span class="muted">${ownerId}</span>`) };
const COLUMNS: readonly Column<ApiToken>[] = [
  { key: "state", title: "State", width: "106px", hideBelow: 460, sort: (token) => standingOf(token, new Date()).label, render: (token) => html`<cl-status .standing=${standingOf(token, new Date())}></cl-status>` },
  { key: "reach", title: "May do", width: "minmax(110px, 2fr)", hideBelow: 560, render: (token) => html`<span class="two"><span>${mayDo(token)}</span><span class="muted small">${(token.roles ?? []).join(", ")} · ${where(token)}</span></span>` },
  { key: "ends", title: "Ends", width: "80px", sort: ({ expireTime }) => expireTime ?? "9", render: ({ expireTime }) => (expireTime ? html`<cl-time class="muted" .at=${expireTime}></cl-time>` : html`<span class="muted">never</span>`) },
  { key: "used", title: "Last use", width: "minmax(90px, 1fr)", hideBelow: 680, sort: ({ lastUseTime }) => lastUseTime ?? "", render: ({ lastUseTime, lastUseAddress }) => html`<span class="two"><cl-time .at=${lastUseTime}></cl-time><span class="muted small">${lastUseAddress}</span></span>` },
];

function renderDetail(token: ApiToken): TemplateResult {
  const { clusterIds = [], workloadIds = [], repositories = [], permissions = [] } = token;
  const names = (ids: readonly string[], all: { get: (id: string) => { name: string } | undefined }): string => ids.map((id) => all.get(id)?.name ?? id).join(", ");
  return html`<dl class="facts">
    <dt>Roles</dt><dd>${(token.roles ?? []).join(", ")}</dd>
    <dt>Permissions</dt><dd>${permissions.length === 0 ? "all that the roles allow" : html`<span class="mono">${permissions.join(", ")}</span>`}</dd>
    ${clusterIds.length === 0 ? nothing : html`<dt>Clusters</dt><dd>${names(clusterIds, clusters)}</dd>`}
    ${workloadIds.length === 0 ? nothing : html`<dt>Workloads</dt><dd>${names(workloadIds, workloads)}</dd>`}
    ${repositories.length === 0 ? nothing : html`<dt>Repositories</dt><dd class="mono">${repositories.join(", ")}</dd>`}
    <dt>Last use</dt><dd><cl-time .at=${token.lastUseTime}></cl-time>${token.lastUseAddress ? html` from <span class="mono">${token.lastUseAddress}</span>` : nothing}</dd>
    <dt>Made</dt><dd><cl-time .at=${token.createTime}></cl-time></dd>
    <dt>Id</dt><dd><cl-copy inline label="id" value=${token.id}></cl-copy></dd>
  </dl>`;
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-token-list": TokenList;
  }
}
