// One image: its tags with digests, sizes and platforms.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property, query } from "lit/decorators.js";

import { deleteImage } from "../../api/images";
import type { Image, ImageVersion } from "../../api/records";
import type { ConfirmDialog } from "../../elements/confirm-dialog";
import "../../elements/confirm-dialog";
import "../../elements/copy-field";
import type { Column } from "../../elements/data-table";
import "../../elements/data-table";
import "../../elements/empty-state";
import { icon } from "../../elements/icon";
import "../../elements/page";
import "../../elements/relative-time";
import "../../elements/status-pill";
import { toast } from "../../elements/toasts";
import { navigate } from "../../router";
import { Watching } from "../../state/collection";
import { client, images, workloads } from "../../state/world";
import { shared } from "../../styles/shared";
import { bytes, count, shortDigest } from "../../text/format";

type VersionRow = ImageVersion & { id: string };

@customElement("cl-image-page")
export class ImagePage extends LitElement {
  @property({ attribute: false }) imageId = "";
  @query("cl-confirm") private confirm!: ConfirmDialog;
  protected readonly watching = new Watching(this, [images, workloads]);

  static override styles = [
    shared,
    css`
      .columns {
        display: grid;
        grid-template-columns: minmax(0, 1fr) 340px;
        gap: var(--gap-4);
        align-items: start;
      }
      @media (max-width: 1100px) {
        .columns {
          grid-template-columns: minmax(0, 1fr);
        }
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
            ? html`<cl-empty symbol="image" heading="This image does not exist (any more)"><a class="button" href="/images">See all images</a></cl-empty>`
            : html`<cl-empty symbol="wait" heading="Reading the image…"></cl-empty>`}
        </div>
      </cl-page>`;
    }
    const rows = (image.versions ?? []).map((version) => ({ ...version, id: version.tag ?? version.digest ?? "" }));
    const workload = workloads.get(image.workloadId ?? "");
    return html`<cl-page heading=${image.repository ?? image.name} .crumbs=${crumbs}>
        <button slot="actions" type="button" @click=${() => this.askToDelete(image)}>${icon("trash")} Delete</button>
        <div class="columns">
          <section class="panel" aria-labelledby="versions">
            <header><h2 id="versions">Versions</h2></header>
            ${rows.length === 0
              ? html`<cl-empty symbol="image" heading="Nothing was pushed here yet">
                  ${workload ? html`<p>The push commands are on the workload's page.</p><a class="button" href="/workloads/${workload.id}">Open ${workload.name}</a>` : nothing}
                </cl-empty>`
              : html`<cl-table
                  label="Versions of ${image.repository ?? image.name}"
                  noun="version"
                  .columns=${columns(workload?.imageDigest)}
                  .rows=${rows}
                  .text=${({ tag, digest, platforms, pushedBy }: VersionRow) => [tag, digest, pushedBy, ...(platforms ?? [])].join(" ")}
                ></cl-table>`}
          </section>
          <section class="panel" aria-labelledby="facts">
            <header><h2 id="facts">Facts</h2></header>
            <div class="body">
              <dl class="facts">
                <dt>Name</dt>
                <dd>${image.name}</dd>
                <dt>Id</dt>
                <dd><cl-copy inline label="image id" value=${image.id}></cl-copy></dd>
                ${workload ? html`<dt>Workload</dt><dd><a href="/workloads/${workload.id}">${workload.name}</a></dd>` : nothing}
                ${workload?.registryTarget ? html`<dt>Target</dt><dd><cl-copy inline label="registry target" value=${workload.registryTarget}></cl-copy></dd>` : nothing}
                <dt>Size</dt>
                <dd class="number">${bytes(image.sizeBytes)} <span class="muted">shared layers once</span></dd>
                <dt>Versions</dt>
                <dd class="number">${image.versionCount ?? rows.length}${(image.versionCount ?? 0) > rows.length ? `, the newest ${rows.length} shown` : ""}</dd>
                <dt>Created</dt>
                <dd><cl-time .at=${image.createTime}></cl-time></dd>
              </dl>
            </div>
          </section>
        </div>
      </cl-page>
      <cl-confirm></cl-confirm>`;
  }

  private async askToDelete(image: Image): Promise<void> {
    const name = image.repository ?? image.name;
    const done = await this.confirm.ask({
      heading: `Delete image ${name}?`,
      text: "Its tags and manifests are deleted. This is refused while a cluster runs, or could roll back to, one of its digests.",
      dies: [`${count(image.versionCount ?? 0, "version")} of ${name}, ${bytes(image.sizeBytes)}`],
      verb: "Delete image",
      typed: image.name,
      act: async () => {
        await deleteImage(client, image);
      },
    });
    if (!done) return;
    toast(`Image ${name} was deleted.`);
    navigate("/images");
  }
}

function columns(running: string | undefined): readonly Column<VersionRow>[] {
  return [
    {
      key: "tag",
      title: "Tag",
      width: "minmax(150px, 1.4fr)",
      sort: ({ tag }) => tag ?? "",
      render: ({ tag, digest }) => html`<span class="row wrap"><strong class="mono">${tag}</strong>${digest === running ? html`<cl-status .standing=${{ tone: "ok", label: "Deployed" }}></cl-status>` : nothing}</span>`,
    },
    { key: "digest", title: "Digest", width: "124px", render: ({ digest }) => html`<cl-copy inline label="digest" value=${digest} display=${shortDigest(digest)}></cl-copy>` },
    { key: "platforms", title: "Platforms", width: "minmax(90px, 1fr)", hideBelow: 560, render: ({ platforms }) => html`<span class="clamp">${(platforms ?? []).join(", ")}</span>` },
    { key: "size", title: "Size", width: "80px", align: "end", sort: ({ sizeBytes }) => Number(sizeBytes ?? 0), render: ({ sizeBytes }) => html`<span class="number">${bytes(sizeBytes)}</span>` },
    { key: "by", title: "Pushed by", width: "minmax(70px, 0.8fr)", hideBelow: 700, render: ({ pushedBy }) => html`<span class="muted cut">${pushedBy ?? ""}</span>` },
    { key: "pushed", title: "Pushed", width: "92px", align: "end", hideBelow: 480, sort: ({ pushTime }) => pushTime ?? "", render: ({ pushTime }) => html`<cl-time class="muted" .at=${pushTime}></cl-time>` },
  ];
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-image-page": ImagePage;
  }
}
