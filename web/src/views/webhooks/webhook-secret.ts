// A webhook's secret, shown this once.
import { css, html, LitElement, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";

import "../../elements/copy-field";
import { shared } from "../../styles/shared";

@customElement("cl-webhook-secret")
export class WebhookSecret extends LitElement {
  /** `whsec_…`; empty in the answer to a request that was repeated. */
  @property({ attribute: false }) secret = "";

  static override styles = [
    shared,
    css`
      :host {
        display: grid;
        gap: var(--gap-3);
      }
    `,
  ];

  override render(): TemplateResult {
    if (this.secret === "") return html`<p>The webhook was made by an earlier attempt of this request, and its secret was shown then. If it is lost, rotate it.</p>`;
    return html`
      <p class="once">The secret is shown only now. Give it to the receiver; if it is lost, rotate it.</p>
      <cl-copy id="secret" label="secret" value=${this.secret}></cl-copy>
      <p class="muted">The receiver checks with it that messages come from here: they are signed as Standard Webhooks has it, whose libraries exist for most languages.</p>
    `;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-webhook-secret": WebhookSecret;
  }
}
