// Where there is nothing yet: says so, why, and what the next step is (in the slot).
import { css, html, LitElement, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";

import { shared } from "../styles/shared";
import { icon, type IconName } from "./icon";

@customElement("cl-empty")
export class EmptyState extends LitElement {
  @property() heading = "";
  @property() symbol: IconName = "idle";

  static override styles = [
    shared,
    css`
      :host {
        display: grid;
        justify-items: center;
        gap: var(--gap-2);
        padding: 34px var(--gap-5);
        text-align: center;
      }
      .symbol {
        display: grid;
        place-items: center;
        width: 44px;
        height: 44px;
        border-radius: 50%;
        background: var(--sunken);
        color: var(--text-muted);
      }
      p {
        font-weight: 600;
        font-size: var(--size-large);
      }
      .rest {
        display: grid;
        justify-items: center;
        gap: var(--gap-3);
        max-width: 60ch;
        color: var(--text-muted);
      }
    `,
  ];

  override render(): TemplateResult {
    return html`<div class="symbol">${icon(this.symbol, 22)}</div>
      <p>${this.heading}</p>
      <div class="rest"><slot></slot></div>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-empty": EmptyState;
  }
}
