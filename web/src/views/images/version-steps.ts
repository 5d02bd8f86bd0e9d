// How an image was built: each step with the layer it made, its size drawn against the largest.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";

import "../../elements/copy-field";
import { shared } from "../../styles/shared";
import { bytes, shortDigest } from "../../text/format";
import type { Step } from "./version-facts";

@customElement("cl-version-steps")
export class VersionSteps extends LitElement {
  @property({ attribute: false }) steps: readonly Step[] = [];

  static override styles = [
    shared,
    css`
      :host {
        display: block;
      }
      li {
        display: grid;
        grid-template-columns: 28px minmax(0, 1fr) 132px 150px;
        gap: 2px var(--gap-3);
        align-items: center;
        padding: 9px var(--gap-4);
        border-bottom: 1px solid var(--line);
      }
      li:last-child {
        border-bottom: 0;
      }
      code {
        display: -webkit-box;
        overflow: hidden;
        -webkit-box-orient: vertical;
        -webkit-line-clamp: 3;
        line-clamp: 3;
        overflow-wrap: anywhere;
      }
      .empty code {
        color: var(--text-muted);
      }
      .size {
        display: grid;
        gap: 3px;
        text-align: end;
      }
      .track {
        height: 6px;
        border-radius: 3px;
        background: var(--sunken);
        overflow: hidden;
      }
      .bar {
        height: 100%;
        min-width: 2px;
        border-radius: 3px;
        background: var(--accent-fill);
      }
      @media (max-width: 720px) {
        li {
          grid-template-columns: 22px minmax(0, 1fr) 92px;
        }
        .digest {
          grid-column: 2 / -1;
          grid-row: 2;
        }
      }
    `,
  ];

  override render(): TemplateResult {
    return html`<ol aria-label="Layers">${this.steps.map((step, at) => this.renderStep(step, at))}</ol>`;
  }

  private renderStep({ command, digest, mediaType, sizeBytes, share }: Step, at: number): TemplateResult {
    const made = digest !== "";
    return html`<li class=${made ? "" : "empty"}>
      <span class="muted number">${at + 1}</span>
      <code title=${command}>${command === "" ? mediaType : command}</code>
      <span class="digest">${made ? html`<cl-copy inline label="layer digest" value=${digest} display=${shortDigest(digest)}></cl-copy>` : html`<span class="muted small">no layer</span>`}</span>
      <span class="size">${made ? html`<span class="number">${bytes(sizeBytes)}</span><span class="track"><span class="bar" .style=${`display: block; width: ${(share * 100).toFixed(1)}%`}></span></span>` : nothing}</span>
    </li>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-version-steps": VersionSteps;
  }
}
