// All images of the registry, live.
import { html, LitElement, type TemplateResult } from "lit";
import { customElement } from "lit/decorators.js";

import type { Image } from "../../api/records";
import type { Column } from "../../elements/data-table";
import "../../elements/data-table";
import "../../elements/empty-state";
import "../../elements/page";
import "../../elements/relative-time";
import "../../elements/watch-state";
import { Watching } from "../../state/collection";
import { images, workloads } from "../../state/world";
import { shared } from "../../styles/shared";
import { bytes } from "../../text/format";

@customElement("cl-image-list")
export class ImageList extends LitElement {
  protected readonly watching = new Watching(this, [images, workloads]);

  static override styles = shared;

  override render(): TemplateResult {
    const all = images.all();
    return html`<cl-page heading="Images">
      <cl-watch-state slot="actions" .collections=${[images]}></cl-watch-state>
      <div class="panel">
        ${all.length === 0
          ? images.whole
            ? html`<cl-empty symbol="image" heading="No image yet">
                <p>Every workload has a place in Cloudly's own registry. Open a workload, take the push commands, and the image appears here.</p>
                <a class="button" href="/workloads">Go to the workloads</a>
              </cl-empty>`
            : html`<cl-empty symbol="wait" heading="Reading images…"></cl-empty>`
          : html`<cl-table
              label="Images"
              noun="image"
              .columns=${columns()}
              .rows=${all}
              .order=${{ key: "pushed", descending: true }}
              .href=${({ id }: Image) => `/images/${id}`}
              .text=${(image: Image) => [image.name, image.repository, image.id, ...(image.versions ?? []).map(({ tag, digest }) => `${tag} ${digest}`)].join(" ")}
            ></cl-table>`}
      </div>
    </cl-page>`;
  }
}

function columns(): readonly Column<Image>[] {
  return [
    { key: "name", title: "Repository", width: "minmax(160px, 2fr)", sort: ({ repository, name }) => repository ?? name, render: ({ repository, name }) => html`<span class="mono">${repository ?? name}</span>` },
    { key: "workload", title: "Workload", width: "minmax(100px, 1fr)", hideBelow: 640, sort: ({ workloadId }) => nameOf(workloadId), render: ({ workloadId }) => (workloadId ? html`<a href="/workloads/${workloadId}">${nameOf(workloadId)}</a>` : html`<span class="muted">–</span>`) },
    { key: "tag", title: "Newest tag", width: "minmax(80px, 1fr)", hideBelow: 520, render: ({ versions }) => html`<span class="mono cut">${versions?.[0]?.tag ?? "–"}</span>` },
    { key: "versions", title: "Versions", width: "76px", align: "end", sort: ({ versionCount }) => versionCount ?? 0, render: ({ versionCount }) => html`<span class="number">${versionCount ?? 0}</span>` },
    { key: "size", title: "Size", width: "84px", align: "end", sort: ({ sizeBytes }) => Number(sizeBytes ?? 0), render: ({ sizeBytes }) => html`<span class="number">${bytes(sizeBytes)}</span>` },
    { key: "pushed", title: "Last push", width: "100px", align: "end", hideBelow: 480, sort: ({ versions, createTime }) => versions?.[0]?.pushTime ?? createTime ?? "", render: ({ versions }) => html`<cl-time class="muted" .at=${versions?.[0]?.pushTime}></cl-time>` },
  ];
}

function nameOf(workloadId: string | undefined): string {
  return workloads.get(workloadId ?? "")?.name ?? workloadId ?? "";
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-image-list": ImageList;
  }
}
