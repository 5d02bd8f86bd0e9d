// Any number out of a few, each with what it means. Emits `chosen-changed` with the values chosen.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";
import { live } from "lit/directives/live.js";

import { shared } from "../styles/shared";

export interface Check {
  value: string;
  label: string;
  /** What choosing it means. */
  hint?: string;
}

@customElement("cl-checks")
export class CheckList extends LitElement {
  @property() label = "";
  @property({ attribute: false }) choices: readonly Check[] = [];
  @property({ attribute: false }) chosen: readonly string[] = [];
  /** What is wrong with the choice; "" when nothing is. */
  @property() violation = "";
  /** What is said where there is nothing to choose from. */
  @property() none = "";
  /** Side by side, and scrolled where they are many. */
  @property({ type: Boolean, reflect: true }) dense = false;

  static override styles = [
    shared,
    css`
      :host {
        display: block;
        min-width: 0;
      }
      fieldset {
        border: 0;
        min-width: 0;
      }
      legend {
        padding: 0;
        margin-bottom: 4px;
        font-weight: 550;
      }
      .choices {
        display: grid;
        gap: 6px;
      }
      :host([dense]) .choices {
        grid-template-columns: repeat(auto-fill, minmax(min(190px, 100%), 1fr));
        gap: 4px var(--gap-3);
        max-height: 168px;
        overflow: auto;
        padding: var(--gap-2) var(--gap-3);
        border: 1px solid var(--line);
        border-radius: var(--radius);
      }
      label {
        display: flex;
        align-items: baseline;
        gap: var(--gap-2);
        min-width: 0;
      }
      label span {
        min-width: 0;
        overflow-wrap: anywhere;
      }
      input {
        flex: none;
        accent-color: var(--accent-fill);
      }
      .violation {
        margin-top: 4px;
        color: var(--bad);
        font-size: var(--size-small);
        font-weight: 500;
      }
    `,
  ];

  override render(): TemplateResult {
    return html`<fieldset>
      <legend>${this.label}</legend>
      ${this.choices.length === 0 ? html`<p class="muted">${this.none}</p>` : html`<div class="choices">${this.choices.map((choice) => this.renderChoice(choice))}</div>`}
      ${this.violation === "" ? nothing : html`<p class="violation" role="alert">${this.violation}</p>`}
    </fieldset>`;
  }

  private renderChoice({ value, label, hint }: Check): TemplateResult {
    return html`<label>
      <input type="checkbox" .checked=${live(this.chosen.includes(value))} @change=${(event: Event) => this.set(value, (event.target as HTMLInputElement).checked)} />
      <span>${label} ${hint === undefined ? nothing : html`<span class="muted small">${hint}</span>`}</span>
    </label>`;
  }

  private set(value: string, wanted: boolean): void {
    this.chosen = wanted ? [...this.chosen, value] : this.chosen.filter((one) => one !== value);
    this.dispatchEvent(new CustomEvent<readonly string[]>("chosen-changed", { detail: this.chosen }));
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-checks": CheckList;
  }
  interface HTMLElementEventMap {
    "chosen-changed": CustomEvent<readonly string[]>;
  }
}
