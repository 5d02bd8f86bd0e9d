// A labelled control with its hint and, when the server or the browser refuses the value, what is wrong with it.
// Native controls inside: label, description and error are tied to them by id, which cannot cross a shadow root.
import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { customElement, property, query } from "lit/decorators.js";
import { live } from "lit/directives/live.js";

import { shared } from "../styles/shared";

export interface Choice {
  value: string;
  label: string;
}

type Control = HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement;

@customElement("cl-field")
export class FormField extends LitElement {
  static override shadowRootOptions: ShadowRootInit = { ...LitElement.shadowRootOptions, delegatesFocus: true };

  @property() label = "";
  @property() hint = "";
  /** What is wrong with the value; "" when nothing is. */
  @property() violation = "";
  @property() value = "";
  @property() type: "text" | "password" | "number" | "date" | "datetime-local" | "search" | "textarea" | "select" = "text";
  @property() placeholder = "";
  @property() autocomplete: AutoFill = "off";
  /** Which keys a phone offers. */
  @property() keyboard: "text" | "numeric" = "text";
  @property({ attribute: false }) choices: readonly Choice[] = [];
  @property({ type: Boolean }) required = false;
  @property({ type: Boolean }) disabled = false;
  @property({ type: Boolean }) mono = false;
  /** The label is only for screen readers. */
  @property({ type: Boolean }) bare = false;
  @property({ type: Number }) min: number | undefined;
  @property({ type: Number }) max: number | undefined;
  @property() step = "";
  @property() unit = "";
  @property({ type: Number }) rows = 3;
  @query("#control") private control!: Control | null;

  static override styles = [
    shared,
    css`
      :host {
        display: block;
        min-width: 0;
      }
      label {
        display: block;
        margin-bottom: 4px;
        font-weight: 550;
      }
      .required::after {
        content: " *";
        color: var(--bad);
      }
      .control {
        display: flex;
        align-items: center;
        gap: var(--gap-2);
      }
      input,
      textarea,
      select {
        width: 100%;
        min-width: 0;
        height: var(--control-height);
        padding: 0 10px;
        border: 1px solid var(--control-line);
        border-radius: var(--radius);
        background: var(--surface);
        color: var(--text);
        font: 400 var(--size) / 1.4 var(--font);
      }
      textarea {
        height: auto;
        padding: 7px 10px;
        resize: vertical;
      }
      .mono {
        font-family: var(--mono);
      }
      ::placeholder {
        color: var(--text-muted);
        opacity: 1;
      }
      input:focus-visible,
      textarea:focus-visible,
      select:focus-visible {
        outline-offset: -1px;
        border-radius: var(--radius);
      }
      [aria-invalid="true"] {
        border-color: var(--bad);
      }
      :disabled {
        background: var(--sunken);
        color: var(--text-muted);
      }
      .hint,
      .violation {
        margin-top: 4px;
        font-size: var(--size-small);
      }
      .violation {
        color: var(--bad);
        font-weight: 500;
      }
    `,
  ];

  override render(): TemplateResult {
    return html`
      <label for="control" class="${this.bare ? "visually-hidden" : ""} ${this.required ? "required" : ""}">${this.label}</label>
      <div class="control">${this.renderControl()}${this.unit === "" ? nothing : html`<span class="muted">${this.unit}</span>`}</div>
      ${this.violation === "" ? nothing : html`<p class="violation" id="violation">${this.violation}</p>`}
      ${this.hint === "" ? nothing : html`<p class="hint muted" id="hint">${this.hint}</p>`}
    `;
  }

  private renderControl(): TemplateResult {
    const described = [this.violation === "" ? "" : "violation", this.hint === "" ? "" : "hint"].join(" ").trim();
    const describedBy = described === "" ? nothing : described;
    const invalid = this.violation === "" ? "false" : "true";
    const kind = this.mono ? "mono" : "";
    if (this.type === "select") {
      return html`<select id="control" aria-describedby=${describedBy} aria-invalid=${invalid} ?required=${this.required} ?disabled=${this.disabled} @change=${this.changed}>
        ${this.choices.map(({ value, label }) => html`<option value=${value} ?selected=${value === this.value}>${label}</option>`)}
      </select>`;
    }
    if (this.type === "textarea") {
      return html`<textarea id="control" class=${kind} rows=${this.rows} spellcheck="false" placeholder=${this.placeholder} aria-describedby=${describedBy} aria-invalid=${invalid} ?required=${this.required} ?disabled=${this.disabled} .value=${live(this.value)} @input=${this.changed}></textarea>`;
    }
    return html`<input
      id="control"
      class=${kind}
      type=${this.type}
      placeholder=${this.placeholder}
      autocomplete=${this.autocomplete}
      inputmode=${this.type === "text" ? this.keyboard : nothing}
      autocapitalize="off"
      spellcheck="false"
      min=${this.min ?? nothing}
      max=${this.max ?? nothing}
      step=${this.step === "" ? nothing : this.step}
      aria-describedby=${describedBy}
      aria-invalid=${invalid}
      ?required=${this.required}
      ?disabled=${this.disabled}
      .value=${live(this.value)}
      @input=${this.changed}
      @keydown=${this.submitOnEnter}
    />`;
  }

  protected override updated(changes: PropertyValues<this>): void {
    // A select's value can only be set when its options are there.
    if (this.type === "select" && this.control && (changes.has("choices") || changes.has("value"))) this.control.value = this.value;
  }

  private changed(event: Event): void {
    event.stopPropagation();
    this.value = (event.target as Control).value;
    this.dispatchEvent(new CustomEvent<string>("changed", { detail: this.value }));
  }

  /** A control in a shadow root is no part of the form around it, so Enter has to ask it. */
  private submitOnEnter(event: KeyboardEvent): void {
    if (event.key === "Enter" && !event.isComposing) this.closest("form")?.requestSubmit();
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-field": FormField;
  }
  interface HTMLElementEventMap {
    changed: CustomEvent<string>;
  }
}
