// What was deleted of an image, or the deleted images, and the way back for as long as it is kept.
import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";

import { listDeleted, restoreImage, restoreImageVersion } from "../../api/images";
import type { DeletedVersion } from "../../api/records";
import "../../elements/copy-field";
import type { Column } from "../../elements/data-table";
import "../../elements/data-table";
import "../../elements/empty-state";
import { icon } from "../../elements/icon";
import "../../elements/problem-box";
import "../../elements/relative-time";
import { toast, toastError } from "../../elements/toasts";
import { Polled } from "../../state/polled";
import { client, permissions } from "../../state/world";
import { shared } from "../../styles/shared";
import { bytes, sentence, shortDigest } from "../../text/format";

@customElement("cl-image-deleted")
export class ImageDeleted extends LitElement {
  /** Empty: deleted images instead of an image's versions. */
  @property({ attribute: false }) imageId = "";
  /** New with every change of the image, which is when there may be more. */
  @property({ attribute: false }) etag = "";
  private readonly deleted = new Polled(this, (signal) => listDeleted(client, this.imageId, signal));

  static override styles = [
    shared,
    css`
      .inside {
        padding: var(--gap-4);
      }
    `,
  ];

  protected override updated(changes: PropertyValues<this>): void {
    if (changes.get("etag") !== undefined || changes.get("imageId") !== undefined) void this.deleted.read();
  }

  override render(): TemplateResult {
    const { value, error } = this.deleted;
    if (error) return html`<div class="inside"><cl-problem .error=${error}></cl-problem></div>`;
    if (!value) return html`<cl-empty symbol="wait" heading="Reading…"></cl-empty>`;
    if (value.length === 0) return html`<cl-empty symbol="trash" heading="Nothing to restore">What is deleted or collected is kept here for a few days.</cl-empty>`;
    return html`<cl-table label=${this.imageId === "" ? "Deleted images" : "Deleted versions"} noun="entry" .columns=${permissions.allows("images.write") ? [...COLUMNS, this.restoreColumn()] : COLUMNS} .rows=${value}></cl-table>`;
  }

  private restoreColumn(): Column<DeletedVersion> {
    return {
      key: "back",
      title: "Restore",
      width: "104px",
      align: "end",
      // A blob alone is of no use: it comes back with the manifest that needs it.
      render: (one) => (one.kind === "blob" ? html`<span class="muted small">with its version</span>` : html`<button type="button" class="compact" aria-label=${`Restore ${one.reference}`} @click=${() => this.restore(one)}>${icon("rollback", 13)} Restore</button>`),
    };
  }

  private async restore(one: DeletedVersion): Promise<void> {
    try {
      if (one.kind === "image") await restoreImage(client, one.imageId);
      else await restoreImageVersion(client, one.imageId, one.reference);
      toast(`${one.reference.includes(":") ? shortDigest(one.reference) : one.reference} is back.`);
    } catch (error) {
      toastError(error);
    }
    await this.deleted.read();
  }
}

const COLUMNS: readonly Column<DeletedVersion>[] = [
  { key: "what", title: "What", width: "minmax(120px, 1.6fr)", render: (one) => html`<span class="row wrap">${nameOf(one).map((name) => html`<strong class="mono">${name}</strong>`)}${one.reference.includes(":") ? html`<cl-copy inline label="digest" value=${one.reference} display=${shortDigest(one.reference)}></cl-copy>` : nothing}</span>` },
  { key: "kind", title: "Kind", width: "76px", hideBelow: 420, render: ({ kind }) => html`<span class="muted">${kind}</span>` },
  { key: "size", title: "Size", width: "80px", align: "end", hideBelow: 620, render: ({ sizeBytes }) => html`<span class="number">${bytes(sizeBytes)}</span>` },
  { key: "why", title: "Why", width: "minmax(110px, 1.4fr)", hideBelow: 560, render: ({ reason, deletedBy }) => html`<span class="two"><span>${sentence(reason ?? "")}</span><span class="muted small">by ${deletedBy}</span></span>` },
  { key: "when", title: "Deleted", width: "92px", hideBelow: 700, render: ({ deleteTime }) => html`<cl-time class="muted" .at=${deleteTime}></cl-time>` },
  { key: "until", title: "Kept for", width: "84px", hideBelow: 420, render: ({ expireTime }) => html`<cl-time class="muted" .at=${expireTime}></cl-time>` },
];

/** Its tags, or its own name where that is no digest. */
function nameOf({ reference, tags }: DeletedVersion): readonly string[] {
  return reference.includes(":") ? (tags ?? []) : [reference];
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-image-deleted": ImageDeleted;
  }
}
