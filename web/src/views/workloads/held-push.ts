// A push that waits for its signature: what holds it back, and the command that lets it go on.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";

import type { Workload } from "../../api/records";
import "../../elements/copy-field";
import { icon } from "../../elements/icon";
import { shared } from "../../styles/shared";
import { sentence, shortDigest } from "../../text/format";

@customElement("cl-held-push")
export class HeldPush extends LitElement {
  @property({ attribute: false }) workload!: Workload;
  /** The image in the registry, where its version can be looked at; empty while it is not known. */
  @property({ attribute: false }) imageId = "";

  static override styles = [
    shared,
    css`
      section {
        display: flex;
        gap: var(--gap-3);
        padding: var(--gap-3) var(--gap-4);
        border-inline-start: 4px solid var(--warn);
      }
      .icon {
        margin-top: 2px;
        color: var(--warn);
      }
      div {
        display: grid;
        gap: var(--gap-2);
        flex: 1;
        min-width: 0;
        overflow-wrap: anywhere;
      }
    `,
  ];

  override render(): TemplateResult | typeof nothing {
    const { heldImage, registryTarget = "" } = this.workload;
    if (!heldImage) return nothing;
    const { tag = "", digest = "", pushedBy = "", reason = "" } = heldImage;
    const version = html`<strong>${tag}</strong> <span class="mono">${shortDigest(digest)}</span>`;
    return html`<section class="panel" aria-label="Waits for a signature">
      ${icon("shield")}
      <div>
        <p>${this.imageId === "" ? version : html`<a href="/images/${this.imageId}/versions/${digest}">${version}</a>`}, pushed by ${pushedBy}, waits for a signature. ${sentence(reason)}.</p>
        <p class="muted">Sign it with a key that is trusted; it is rolled out as soon as the signature is here.</p>
        <cl-copy label="sign command" value=${`cosign sign --key cosign.key ${registryTarget}@${digest}`}></cl-copy>
      </div>
    </section>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-held-push": HeldPush;
  }
}
