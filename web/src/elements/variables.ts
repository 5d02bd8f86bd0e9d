// Environment variables to read. Their values are often secrets, so they are shown only on demand.
import { css, html, LitElement, type TemplateResult } from "lit";
import { customElement, property, state } from "lit/decorators.js";

import { shared } from "../styles/shared";

@customElement("cl-variables")
export class Variables extends LitElement {
  /** Name and value each. */
  @property({ attribute: false }) variables: readonly (readonly [string, string])[] = [];
  @state() private revealed = false;

  static override styles = [
    shared,
    css`
      :host {
        display: block;
        min-width: 0;
      }
      div {
        display: grid;
        gap: 2px;
        margin-bottom: var(--gap-2);
      }
      code {
        overflow-wrap: anywhere;
      }
    `,
  ];

  override render(): TemplateResult {
    if (this.variables.length === 0) return html`<span class="muted">none</span>`;
    return html`<div>${this.variables.map(([name, value]) => html`<code>${`${name}=${this.revealed ? value : "••••••"}`}</code>`)}</div>
      <button type="button" class="compact" aria-pressed=${this.revealed} @click=${() => (this.revealed = !this.revealed)}>${this.revealed ? "Hide values" : "Show values"}</button>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-variables": Variables;
  }
}
