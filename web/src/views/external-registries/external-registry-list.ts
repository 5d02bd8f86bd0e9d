// External registries: where images come from that were not pushed here, and whether their logins work.
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, query } from "lit/decorators.js";

import { checkExternalRegistry, createExternalRegistry, deleteExternalRegistry, listExternalRegistries, updateExternalRegistry } from "../../api/external-registries";
import { deleteImage } from "../../api/images";
import type { ExternalRegistry } from "../../api/records";
import type { ConfirmDialog } from "../../elements/confirm-dialog";
import "../../elements/confirm-dialog";
import "../../elements/copy-field";
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
import { Watching } from "../../state/collection";
import { Polled } from "../../state/polled";
import { client, images, permissions } from "../../state/world";
import { shared } from "../../styles/shared";
import { bytes, count } from "../../text/format";
import type { ExternalRegistryDialog } from "./registry-dialog";
import "./registry-dialog";
import { changesOf, copiedFrom, pullThrough, standingOf, wishOf, type RegistryForm } from "./registry-form";

type Action = "check" | "edit" | "clear" | "delete";

const SHOWN = 20;

@customElement("cl-external-registry-list")
export class ExternalRegistryList extends LitElement {
  @query("cl-confirm") private confirm!: ConfirmDialog;
  @query("cl-external-registry-dialog") private editing!: ExternalRegistryDialog;
  private readonly registries = new Polled(this, (signal) => listExternalRegistries(client, signal));
  protected readonly watching = new Watching(this, [images]);

  static override styles = shared;

  override render(): TemplateResult {
    const writes = permissions.allows("external-registries.write");
    return html`<cl-page heading="External registries">
        ${writes ? html`<button slot="actions" type="button" class="primary" @click=${() => this.editing.show()}>${icon("plus")} New registry</button>` : nothing}
        <div class="stack">
          <p class="muted">Logins for registries of others. Agents get them when a workload's image comes from there, as in <code>ghcr.io/team/app:1.2</code>. With a cache prefix a registry is pulled through this one, which keeps what was fetched.</p>
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
      render: (registry) => html`<cl-menu compact label="Actions on ${registry.name}" symbol="menu" .items=${actionsOn(registry)} @chosen=${(event: CustomEvent<string>) => void this.act(registry, event.detail as Action)}></cl-menu>`,
    };
  }

  private async act(registry: ExternalRegistry, action: Action): Promise<void> {
    if (action === "edit") this.editing.show(registry);
    else if (action === "clear") await this.askToClear(registry);
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

  private async askToClear(registry: ExternalRegistry): Promise<void> {
    const copies = copiedFrom(registry, images.all())?.images ?? [];
    await this.confirm.ask({
      heading: `Clear the cache of ${registry.name}?`,
      text: "The copies are deleted, but for those that a cluster needs. The next pull fetches them anew; until their quarantine ends they can be restored.",
      dies: [`${count(copies.length, "copy", "copies")} under ${registry.cachePrefix ?? ""}/`],
      verb: "Clear cache",
      act: async () => {
        const outcomes = await Promise.allSettled(copies.map((image) => deleteImage(client, image)));
        const refused = outcomes.filter(({ status }) => status === "rejected");
        const [first] = refused;
        // Not one of them went: then the question stays, with the reason.
        if (first?.status === "rejected" && refused.length === copies.length) throw first.reason;
        toast(`${count(copies.length - refused.length, "copy was", "copies were")} deleted${refused.length > 0 ? `, ${count(refused.length, "is", "are")} needed and stayed` : ""}.`);
      },
    });
  }

  private async askToDelete(registry: ExternalRegistry): Promise<void> {
    await this.confirm.ask({
      heading: `Delete registry ${registry.name}?`,
      text: "What runs goes on running. Agents cannot pull private images from there any more, as when a workload moves to another node.",
      dies: [
        ...(registry.cachePrefix ? [`The cache ${registry.cachePrefix}/: what was copied stays, and is not compared any more`] : []),
        `The login ${registry.username ? registry.username : "(none)"} at ${registry.server ?? ""}`,
      ],
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
  { key: "cache", title: "Cache", width: "minmax(90px, 1fr)", hideBelow: 760, sort: ({ cachePrefix }) => cachePrefix ?? "", render: renderCache },
  { key: "checked", title: "Checked", width: "92px", hideBelow: 560, sort: ({ checkTime }) => checkTime ?? "", render: ({ checkTime }) => (checkTime ? html`<cl-time class="muted" .at=${checkTime}></cl-time>` : html`<span class="muted">never</span>`) },
];

function actionsOn(registry: ExternalRegistry): MenuItem[] {
  const copies = copiedFrom(registry, images.all())?.images ?? [];
  return [
    { value: "check", label: "Check now", symbol: "check" },
    { value: "edit", label: "Edit", symbol: "edit" },
    ...(copies.length > 0 && permissions.allows("images.write") ? [{ value: "clear", label: "Clear cache", symbol: "minus" } as const] : []),
    { value: "delete", label: "Delete", symbol: "trash", danger: true },
  ];
}

function renderCache(registry: ExternalRegistry): TemplateResult {
  const copied = copiedFrom(registry, images.all());
  if (!copied) return html`<span class="muted">none</span>`;
  return html`<span class="two"><span class="mono">${registry.cachePrefix}/</span><span class="muted small number">${count(copied.images.length, "image")}, ${bytes(copied.sizeBytes)}</span></span>`;
}

function renderDetail(registry: ExternalRegistry): TemplateResult {
  const { url, description, lastError, createTime } = registry;
  const copied = copiedFrom(registry, images.all());
  return html`<dl class="facts">
    <dt>Address</dt><dd class="mono">${url}</dd>
    ${description ? html`<dt>Description</dt><dd>${description}</dd>` : nothing}
    ${lastError ? html`<dt>Last failure</dt><dd>${lastError}</dd>` : nothing}
    ${copied
      ? html`<dt>Pull through</dt><dd><cl-copy label="pull command" value=${pullThrough(registry, location.host)}></cl-copy></dd>
          <dt>Cached</dt>
          <dd>
            ${copied.images.length === 0
              ? html`<span class="muted">nothing was pulled yet</span>`
              : html`<span class="number">${count(copied.images.length, "image")}, ${bytes(copied.sizeBytes)}</span>
                  <ul class="entries">${copied.images.slice(0, SHOWN).map(({ id, repository, name }) => html`<li><a class="mono" href="/images/${id}">${repository ?? name}</a></li>`)}</ul>
                  ${copied.images.length > SHOWN ? html`<span class="muted">and ${copied.images.length - SHOWN} more</span>` : nothing}`}
          </dd>
          ${copied.lastUse ? html`<dt>Last pull</dt><dd><cl-time .at=${copied.lastUse}></cl-time></dd>` : nothing}`
      : nothing}
    <dt>Added</dt><dd><cl-time .at=${createTime}></cl-time></dd>
  </dl>`;
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-external-registry-list": ExternalRegistryList;
  }
}
