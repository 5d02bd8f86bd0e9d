// The versions of an image: what was pushed, each by its digest with all its tags.
import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";

import { deleteImageVersion, listImageVersions } from "../../api/images";
import type { Image, ListedVersion, Workload } from "../../api/records";
import type { ConfirmDialog } from "../../elements/confirm-dialog";
import "../../elements/confirm-dialog";
import "../../elements/copy-field";
import type { Column } from "../../elements/data-table";
import "../../elements/data-table";
import "../../elements/empty-state";
import "../../elements/form-field";
import { icon } from "../../elements/icon";
import "../../elements/problem-box";
import "../../elements/relative-time";
import "../../elements/status-pill";
import { toast } from "../../elements/toasts";
import { Polled } from "../../state/polled";
import { client, permissions } from "../../state/world";
import { shared } from "../../styles/shared";
import { bytes, shortDigest } from "../../text/format";
import { kindOf, nameOf } from "./version-facts";
import { askToDelete } from "./version-delete";

type VersionRow = ListedVersion & { id: string };

const SHOWN = [
  { value: "", label: "Versions" },
  { value: "all", label: "With parts and signatures" },
];

@customElement("cl-image-versions")
export class ImageVersions extends LitElement {
  @property({ attribute: false }) image!: Image;
  @property({ attribute: false }) workload: Workload | undefined;
  @state() private all = false;
  @query("cl-confirm") private confirm!: ConfirmDialog;
  private readonly versions = new Polled(this, (signal) => listImageVersions(client, this.image.id, this.all, signal));

  static override styles = [
    shared,
    css`
      .inside {
        padding: var(--gap-4);
      }
    `,
  ];

  protected override updated(changes: PropertyValues<this>): void {
    // Every push, tag and deletion gives the image a new etag.
    const before = changes.get("image");
    if (before && (before.id !== this.image.id || before.etag !== this.image.etag)) void this.versions.read();
  }

  override render(): TemplateResult {
    const { value, error } = this.versions;
    if (error) return html`<div class="inside"><cl-problem .error=${error}></cl-problem></div>`;
    if (!value) return html`<cl-empty symbol="wait" heading="Reading versions…"></cl-empty>`;
    if (value.length === 0 && !this.all) {
      return html`<cl-empty symbol="image" heading="Nothing was pushed here yet">
        ${this.workload ? html`<p>The push commands are on the workload's page.</p><a class="button" href="/workloads/${this.workload.id}">Open ${this.workload.name}</a>` : html`<code>docker push ${this.image.target ?? ""}:latest</code>`}
      </cl-empty>`;
    }
    return html`<cl-table
        label="Versions of ${this.image.repository ?? this.image.name}"
        noun="version"
        .columns=${permissions.allows("images.write") ? [...COLUMNS, this.deleteColumn()] : COLUMNS}
        .rows=${value.map((version) => ({ ...version, id: version.digest }))}
        .href=${({ digest }: VersionRow) => `/images/${this.image.id}/versions/${digest}`}
        .text=${(version: VersionRow) => [...(version.tags ?? []), version.digest, version.pushedBy, kindOf(version), ...(version.platforms ?? [])].join(" ")}
      >
        <cl-field slot="tools" bare label="What is shown" type="select" .choices=${SHOWN} .value=${this.all ? "all" : ""} @changed=${(event: CustomEvent<string>) => this.show(event.detail === "all")}></cl-field>
      </cl-table>
      <cl-confirm></cl-confirm>`;
  }

  private deleteColumn(): Column<VersionRow> {
    return {
      key: "delete",
      title: "",
      width: "26px",
      align: "end",
      render: (version) => html`<button type="button" class="quiet compact icon-only" aria-label=${`Delete ${nameOf(version)}`} @click=${() => this.delete(version)}>${icon("trash", 13)}</button>`,
    };
  }

  private show(all: boolean): void {
    this.all = all;
    void this.versions.read();
  }

  private async delete(version: VersionRow): Promise<void> {
    if (!(await this.confirm.ask(askToDelete(this.image, version, () => deleteImageVersion(client, this.image.id, version.digest))))) return;
    toast("The version was deleted. It can be restored under Deleted.");
    await this.versions.read();
  }
}

const COLUMNS: readonly Column<VersionRow>[] = [
  {
    key: "tags",
    title: "Tags",
    width: "minmax(130px, 1.6fr)",
    sort: ({ tags, digest }) => tags?.[0] ?? digest,
    render: (version) => html`<span class="row wrap">${renderTags(version)}${version.pinnedBy?.length ? html`<cl-status .standing=${{ tone: "ok", label: "In use" }}></cl-status>` : nothing}</span>`,
  },
  { key: "digest", title: "Digest", width: "128px", hideBelow: 560, render: ({ digest }) => html`<cl-copy inline label="digest" value=${digest} display=${shortDigest(digest)}></cl-copy>` },
  { key: "kind", title: "What", width: "minmax(110px, 1fr)", hideBelow: 760, sort: kindOf, render: (version) => html`<span class="two"><span>${kindOf(version)}</span><span class="muted small">${(version.platforms ?? []).join(", ")}</span></span>` },
  { key: "size", title: "Size", width: "80px", align: "end", sort: ({ sizeBytes }) => Number(sizeBytes ?? 0), render: ({ sizeBytes }) => html`<span class="number">${bytes(sizeBytes)}</span>` },
  { key: "pushed", title: "Pushed", width: "100px", hideBelow: 440, sort: ({ pushTime }) => pushTime ?? "", render: ({ pushTime, pushedBy }) => html`<span class="two"><cl-time class="muted" .at=${pushTime}></cl-time><span class="muted small">${pushedBy ? `by ${pushedBy}` : ""}</span></span>` },
];

function renderTags({ tags }: VersionRow): TemplateResult {
  if (!tags?.length) return html`<span class="muted">untagged</span>`;
  const shown = tags.slice(0, 4);
  return html`<span class="row wrap">${shown.map((tag) => html`<strong class="mono">${tag}</strong>`)}${tags.length > 4 ? html`<span class="muted">+${tags.length - 4}</span>` : nothing}</span>`;
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-image-versions": ImageVersions;
  }
}
