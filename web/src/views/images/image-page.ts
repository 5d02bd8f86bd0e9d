// One image: its versions, what was deleted of it, its settings, and how to pull it.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property, query } from "lit/decorators.js";

import { announceImage, deleteImage } from "../../api/images";
import type { Image, Workload } from "../../api/records";
import type { ConfirmDialog } from "../../elements/confirm-dialog";
import "../../elements/confirm-dialog";
import "../../elements/copy-field";
import "../../elements/empty-state";
import { icon } from "../../elements/icon";
import "../../elements/page";
import "../../elements/relative-time";
import "../../elements/status-pill";
import { toast } from "../../elements/toasts";
import { navigate } from "../../router";
import { Watching } from "../../state/collection";
import { client, images, permissions, workloads } from "../../state/world";
import { columns } from "../../styles/columns";
import { shared } from "../../styles/shared";
import { tabs } from "../../styles/tabs";
import { bytes, count } from "../../text/format";
import type { AnnounceDialog } from "./announce-dialog";
import "./announce-dialog";
import "./image-deleted";
import "./image-settings";
import "./image-versions";
import { pullLine } from "./version-facts";

@customElement("cl-image-page")
export class ImagePage extends LitElement {
  @property({ attribute: false }) imageId = "";
  @query("cl-confirm") private confirm!: ConfirmDialog;
  @query("cl-announce-dialog") private announcing!: AnnounceDialog;
  protected readonly watching = new Watching(this, [images, workloads]);

  static override styles = [
    shared,
    columns,
    tabs,
    css`
      .inside {
        padding: var(--gap-4);
      }
    `,
  ];

  override render(): TemplateResult {
    const image = images.get(this.imageId);
    const crumbs = [{ label: "Images", href: "/images" }];
    if (!image) {
      return html`<cl-page heading=${images.whole ? "No such image" : "Image"} .crumbs=${crumbs}>
        <div class="panel">
          ${images.whole
            ? html`<cl-empty symbol="image" heading="This image does not exist (any more)"><p>A deleted image can be restored on the registry's page for some days.</p><a class="button" href="/images">See all images</a></cl-empty>`
            : html`<cl-empty symbol="wait" heading="Reading the image…"></cl-empty>`}
        </div>
      </cl-page>`;
    }
    const workload = workloads.get(image.workloadId ?? "");
    const writes = permissions.allows("images.write");
    const newest = image.versions?.[0]?.tag;
    return html`<cl-page heading=${image.repository ?? image.name} .crumbs=${crumbs}>
        ${image.public ? html`<cl-status slot="status" .standing=${{ tone: "warn", label: "Public" }}></cl-status>` : nothing}
        ${workload && newest && permissions.allows("workloads.write") ? html`<button slot="actions" type="button" @click=${() => this.announcing.show(`${image.target ?? ""}:${newest}`)}>${icon("send")} Announce</button>` : nothing}
        ${writes ? html`<button slot="actions" type="button" @click=${() => this.askToDelete(image)}>${icon("trash")} Delete</button>` : nothing}
        <div class="columns">
          <div class="panel">
            <wa-tab-group>
              <wa-tab panel="versions">Versions</wa-tab>
              <wa-tab panel="deleted">Deleted</wa-tab>
              ${writes ? html`<wa-tab panel="settings">Settings</wa-tab>` : nothing}
              <wa-tab-panel name="versions"><cl-image-versions .image=${image} .workload=${workload}></cl-image-versions></wa-tab-panel>
              <wa-tab-panel name="deleted"><cl-image-deleted .imageId=${image.id} .etag=${image.etag ?? ""}></cl-image-deleted></wa-tab-panel>
              ${writes ? html`<wa-tab-panel name="settings"><div class="inside"><cl-image-settings .image=${image}></cl-image-settings></div></wa-tab-panel>` : nothing}
            </wa-tab-group>
          </div>
          <div class="stack">${renderPull(image)}${renderFacts(image, workload)}</div>
        </div>
      </cl-page>
      <cl-confirm></cl-confirm>
      <cl-announce-dialog .announce=${(reference: string) => announceImage(client, reference)}></cl-announce-dialog>`;
  }

  private async askToDelete(image: Image): Promise<void> {
    const name = image.repository ?? image.name;
    const done = await this.confirm.ask({
      heading: `Delete image ${name}?`,
      text: "Its tags and manifests are deleted; they can be restored until their quarantine ends. This is refused while a cluster runs, or could roll back to, one of its digests.",
      dies: [`${count(image.versionCount ?? 0, "version")} of ${name}, ${bytes(image.sizeBytes)}`],
      verb: "Delete image",
      typed: image.name,
      act: async () => {
        await deleteImage(client, image);
      },
    });
    if (!done) return;
    toast(`Image ${name} was deleted. It can be restored on the registry's page.`);
    navigate("/images");
  }
}

function renderPull({ target = "", versions = [] }: Image): TemplateResult | typeof nothing {
  const tag = versions[0]?.tag;
  if (!tag) return nothing;
  return html`<section class="panel" aria-labelledby="pull">
    <header><h2 id="pull">Pull</h2></header>
    <div class="body"><cl-copy label="pull command" value=${pullLine(target, tag)}></cl-copy></div>
  </section>`;
}

function renderFacts(image: Image, workload: Workload | undefined): TemplateResult {
  const quota = Number(image.quotaBytes ?? 0);
  return html`<section class="panel" aria-labelledby="facts">
    <header><h2 id="facts">Facts</h2></header>
    <div class="body">
      <dl class="facts">
        <dt>Name</dt>
        <dd>${image.name}</dd>
        ${image.description ? html`<dt>Description</dt><dd>${image.description}</dd>` : nothing}
        <dt>Id</dt>
        <dd><cl-copy inline label="image id" value=${image.id}></cl-copy></dd>
        <dt>Target</dt>
        <dd><cl-copy inline label="registry target" value=${image.target ?? ""}></cl-copy></dd>
        ${workload ? html`<dt>Workload</dt><dd><a href="/workloads/${workload.id}">${workload.name}</a></dd>` : nothing}
        <dt>Size</dt>
        <dd class="number">${bytes(image.sizeBytes)}${quota > 0 ? ` of ${bytes(quota)}` : ""} <span class="muted">shared layers once</span></dd>
        <dt>Tags</dt>
        <dd class="number">${image.versionCount ?? 0}</dd>
        <dt>Pulling</dt>
        <dd>${image.public ? "anyone" : "with a login"}</dd>
        <dt>Created</dt>
        <dd><cl-time .at=${image.createTime}></cl-time></dd>
      </dl>
    </div>
  </section>`;
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-image-page": ImagePage;
  }
}
