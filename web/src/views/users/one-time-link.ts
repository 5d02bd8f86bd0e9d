// An invitation's or reset's link, shown this once, and whether it was mailed.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";

import type { IssuedLink } from "../../api/records";
import "../../elements/copy-field";
import "../../elements/relative-time";
import { shared } from "../../styles/shared";

@customElement("cl-one-time-link")
export class OneTimeLink extends LitElement {
  @property({ attribute: false }) issued!: IssuedLink;

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
    const { invitation, link, mailed, mailProblem } = this.issued;
    if (!link) return html`<p>The link was made by an earlier attempt of this request, and was shown then. If it is lost, make another; it takes this one's place.</p>`;
    return html`
      <p class="once">This link is shown only now. If it is lost, make another; it takes this one's place.</p>
      <cl-copy id="link" label="link" value=${link}></cl-copy>
      <p>Give it to ${invitation.name} over a way you trust: whoever has it can choose the password. It works once, and ends <cl-time .at=${invitation.expireTime}></cl-time>.</p>
      ${mailed ? html`<p>It was mailed to ${invitation.email}.</p>` : mailProblem ? html`<p>It was not mailed: ${mailProblem}</p>` : nothing}
    `;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-one-time-link": OneTimeLink;
  }
}
