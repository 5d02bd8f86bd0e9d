// An error as the API told it: what happened, why, what to do, and the id to report it with.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";

import type { ApiError } from "../api/errors";
import { shared } from "../styles/shared";
import { icon } from "./icon";
import "./relative-time";

@customElement("cl-problem")
export class ProblemBox extends LitElement {
  @property({ attribute: false }) error: ApiError | undefined;

  static override styles = [
    shared,
    css`
      section {
        display: flex;
        gap: var(--gap-3);
        padding: var(--gap-3) var(--gap-4);
        border: 1px solid color-mix(in srgb, var(--bad) 35%, transparent);
        border-radius: var(--radius);
        background: var(--bad-quiet);
        color: var(--text);
      }
      .icon {
        margin-top: 2px;
        color: var(--bad);
      }
      div {
        display: grid;
        gap: 3px;
        min-width: 0;
        overflow-wrap: anywhere;
      }
      strong {
        color: var(--bad);
      }
    `,
  ];

  protected override willUpdate(): void {
    // Without an error it takes no place either, nor the gap of a grid.
    this.hidden = this.error === undefined;
  }

  override render(): TemplateResult | typeof nothing {
    const { error } = this;
    if (!error) return nothing;
    const fields = [...error.violations];
    return html`<section role="alert">
      ${icon("warning")}
      <div>
        <strong>${error.title}</strong>
        ${error.detail === "" ? nothing : html`<p>${error.detail}</p>`}
        ${fields.length === 0 ? nothing : html`<ul>${fields.map(([field, text]) => html`<li><code>${field}</code>: ${text}</li>`)}</ul>`}
        ${error.action === "" ? nothing : html`<p class="muted">${error.action}</p>`}
        ${error.retryTime ? html`<p>Try again <cl-time at=${error.retryTime.toISOString()}></cl-time>, at ${error.retryTime.toLocaleTimeString()}.</p>` : nothing}
        ${error.requestId === "" ? nothing : html`<p class="muted small">Request <code>${error.requestId}</code></p>`}
        <slot></slot>
      </div>
    </section>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-problem": ProblemBox;
  }
}
