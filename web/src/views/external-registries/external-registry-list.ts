// External registries: where images come from that were not pushed here, and whether their logins work.
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, query } from "lit/decorators.js";

import { checkExternalRegistry, createExternalRegistry, deleteExternalRegistry, listExternalRegistries, updateExternalRegistry } from "../../api/external-registries";
import type { ExternalRegistry } from "../../api/records";
import type { ConfirmDialog } from "../../elements/confirm-dialog";
import "../../elements/confirm-dialog";
import type { Column } from "../../elements/data-table";
import "../../elements/data-table";
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
import type { ExternalRegistryDialog } from "./registry-dialog";
import "./registry-dialog";
import { changesOf, standingOf, wishOf, type RegistryForm } from "./registry-form";

type Action = "check" | "edit" | "delete";

const ACTIONS: readonly MenuItem[] = [
  { value: "check", label: "Check now", symbol: "check" },
  { value: "edit", label: "Edit", symbol: "edit" },
  { value: "delete", label: "Delete", symbol: "trash", danger: true },
];

@customElement("cl-external-registry-list")
export class ExternalRegistryList extends LitElement {
  @query("cl-confirm") private confirm!: ConfirmDialog;
  @query("cl-external-registry-dialog") private editing!: ExternalRegistryDialog;
  private readonly registries = new Polled(this, (signal) => listExternalRegistries(client, signal));

  static override styles = shared;

  override render(): TemplateResult {
    const writes = permissions.allows("external-registries.write");
    return html`<cl-page heading="External registries">
        ${writes ? html`<button slot="actions" type="button" class="primary" @click=${() => this.editing.show()}>${icon("plus")} New registry</button>` : nothing}
        <div class="stack">
          <p class="muted">Logins for registries of others. Agents get them when a workload's image comes from there, as in <code>ghcr.io/team/app:1.2</code>.</p>
          <cl-problem .error=${this.registries.error}></cl-problem>
          <div class="panel">${this.renderRegistries(writes)}</div>
        </div>
      </cl-page>
      <cl-confirm></cl-confirm>
      <cl-external-registry-dialog .save=${(registry: ExternalRegistry | undefined, form: RegistryForm, key: string) => this.save(registry, form, key)}></cl-external-registry-dialog>`;
  }

  private renderRegistries(writes: boolean): TemplateResult {
    const rows = this.registries.value;
    if (!rows) return html`<cl-empty symbol="wait" heading="Reading registries…"></cl-empty>`;
    if (rows.length === 0) return html`<cl-empty symbol="key" heading="No external registry yet">Images that anyone may pull need none. For private ones add the registry with a user name and a token.</cl-empty>`;
    return html`<cl-table
      label="External registries"
      noun="registry"
      .columns=${writes ? [...COLUMNS, this.actionColumn()] : COLUMNS}
      .rows=${rows}
      .order=${{ key: "name", descending: false }}
      .text=${({ name, server, url, username, description }: ExternalRegistry) => [name, server, url, username, description].join(" ")}
      .detail=${renderDetail}
    ></cl-table>`;
  }

  private actionColumn(): Column<ExternalRegistry> {
    return {
      key: "actions",
      title: "",
      width: "40px",
      align: "end",
      render: (registry) => html`<cl-menu compact label="Actions on ${registry.name}" symbol="menu" .items=${ACTIONS} @chosen=${(event: CustomEvent<string>) => void this.act(registry, event.detail as Action)}></cl-menu>`,
    };
  }

  private async act(registry: ExternalRegistry, action: Action): Promise<void> {
    if (action === "edit") this.editing.show(registry);
    else if (action === "delete") await this.askToDelete(registry);
    else await this.check(registry.id);
  }

  private async save(registry: ExternalRegistry | undefined, form: RegistryForm, key: string): Promise<void> {
    const saved = registry ? await updateExternalRegistry(client, registry, changesOf(registry, form)) : await createExternalRegistry(client, wishOf(form), key);
    toast(registry ? `${saved.name} was saved.` : `${saved.name} was added.`);
    await this.registries.read();
    // Whoever writes a login wants to know whether it works.
    if (standingOf(saved).label === "Not checked") void this.check(saved.id);
  }

  private async check(id: string): Promise<void> {
    try {
      const { name, status, lastError } = await checkExternalRegistry(client, id);
      if (status === "EXTERNAL_REGISTRY_STATUS_WORKING") toast(`${name} answers, and takes the login.`);
      else toast(`${name}: ${lastError ?? "it does not work"}`, "bad");
    } catch (error) {
      toastError(error);
    }
    await this.registries.read();
  }

  private async askToDelete(registry: ExternalRegistry): Promise<void> {
    await this.confirm.ask({
      heading: `Delete registry ${registry.name}?`,
      text: "What runs goes on running. Agents cannot pull private images from there any more, as when a workload moves to another node.",
      dies: [`The login ${registry.username ? registry.username : "(none)"} at ${registry.server ?? ""}`],
      verb: "Delete registry",
      act: async () => {
        await deleteExternalRegistry(client, registry);
        toast(`${registry.name} was deleted.`);
        await this.registries.read();
      },
    });
  }
}

const COLUMNS: readonly Column<ExternalRegistry>[] = [
  { key: "name", title: "Name", width: "minmax(100px, 1.4fr)", sort: ({ name }) => name, render: ({ name, isDefault }) => html`<span class="row wrap"><strong class="name">${name}</strong>${isDefault ? html`<span class="muted small">used first</span>` : nothing}</span>` },
  { key: "server", title: "Server", width: "minmax(100px, 1.6fr)", hideBelow: 480, sort: ({ server }) => server ?? "", render: ({ server }) => html`<span class="mono cut">${server}</span>` },
  { key: "login", title: "Login", width: "minmax(80px, 1fr)", hideBelow: 640, sort: ({ username }) => username ?? "", render: ({ username }) => (username ? username : html`<span class="muted">none</span>`) },
  { key: "status", title: "Status", width: "130px", sort: (registry) => standingOf(registry).label, render: (registry) => html`<cl-status .standing=${standingOf(registry)}></cl-status>` },
  { key: "checked", title: "Checked", width: "92px", hideBelow: 560, sort: ({ checkTime }) => checkTime ?? "", render: ({ checkTime }) => (checkTime ? html`<cl-time class="muted" .at=${checkTime}></cl-time>` : html`<span class="muted">never</span>`) },
];

function renderDetail({ url, description, lastError, createTime }: ExternalRegistry): TemplateResult {
  return html`<dl class="facts">
    <dt>Address</dt><dd class="mono">${url}</dd>
    ${description ? html`<dt>Description</dt><dd>${description}</dd>` : nothing}
    ${lastError ? html`<dt>Last failure</dt><dd>${lastError}</dd>` : nothing}
    <dt>Added</dt><dd><cl-time .at=${createTime}></cl-time></dd>
  </dl>`;
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-external-registry-list": ExternalRegistryList;
  }
}
