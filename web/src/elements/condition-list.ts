// A resource's conditions: what is so, since when, and why not.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";

import type { Condition } from "../api/records";
import { conditionStanding } from "../state/standing";
import { shared } from "../styles/shared";
import { reasonWords, sentence } from "../text/format";
import "./relative-time";
import "./status-pill";

@customElement("cl-conditions")
export class ConditionList extends LitElement {
  @property({ attribute: false }) conditions: readonly Condition[] = [];

  static override styles = [
    shared,
    css`
      li {
        display: grid;
        grid-template-columns: 210px minmax(0, 1fr) max-content;
        gap: 2px var(--gap-4);
        align-items: baseline;
        padding: 9px 0;
      }
      li:first-child {
        padding-top: 0;
      }
      li:last-child {
        padding-bottom: 0;
      }
      li + li {
        border-top: 1px solid var(--line);
      }
      .type {
        display: flex;
        align-items: center;
        gap: var(--gap-2);
        font-weight: 550;
      }
      .said {
        overflow-wrap: anywhere;
      }
      @media (max-width: 620px) {
        li {
          grid-template-columns: 1fr max-content;
        }
        .said {
          grid-column: 1 / -1;
          grid-row: 2;
        }
      }
    `,
  ];

  override render(): TemplateResult {
    if (this.conditions.length === 0) return html`<p class="muted">No conditions have been reported yet.</p>`;
    return html`<ul>
      ${this.conditions.map((one) => {
        const standing = conditionStanding(one);
        return html`<li>
          <span class="type"><cl-status .standing=${standing}></cl-status>${one.type}</span>
          <span class="said">
            ${one.reason ? html`<strong class="small muted">${reasonWords(one.reason)}</strong> ` : nothing}${sentence(one.message ?? "")}
          </span>
          <cl-time class="muted small" .at=${one.lastTransitionTime}></cl-time>
        </li>`;
      })}
    </ul>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-conditions": ConditionList;
  }
}
