// Sets how many replicas are wished. Emits `scale` with the number; knows no backend.
import { css, html, LitElement, type PropertyValues, type TemplateResult } from "lit";
import { customElement, property, state } from "lit/decorators.js";

import { icon } from "../../elements/icon";
import { shared } from "../../styles/shared";

const MOST = 1000;

@customElement("cl-scale")
export class ScaleControl extends LitElement {
  @property({ type: Number }) replicas = 1;
  @property({ type: Boolean }) busy = false;
  @state() private wished = 1;

  static override styles = [
    shared,
    css`
      :host {
        display: flex;
        align-items: center;
        gap: var(--gap-2);
      }
      .stepper {
        display: flex;
      }
      .stepper button {
        width: 32px;
        padding: 0;
      }
      .stepper button:first-child {
        border-radius: var(--radius) 0 0 var(--radius);
      }
      .stepper button:last-child {
        border-radius: 0 var(--radius) var(--radius) 0;
      }
      input {
        width: 56px;
        height: var(--control-height);
        margin-inline: -1px;
        border: 1px solid var(--control-line);
        background: var(--surface);
        color: var(--text);
        font: 550 var(--size) / 1 var(--font);
        font-variant-numeric: tabular-nums;
        text-align: center;
        appearance: textfield;
      }
      input::-webkit-inner-spin-button {
        display: none;
      }
    `,
  ];

  protected override willUpdate(changes: PropertyValues<this>): void {
    if (changes.has("replicas")) this.wished = this.replicas;
  }

  override render(): TemplateResult {
    return html`<div class="stepper" role="group" aria-label="Replicas wished">
        <button type="button" aria-label="One fewer" ?disabled=${this.wished <= 0} @click=${() => this.set(this.wished - 1)}>${icon("minus", 13)}</button>
        <input type="number" min="0" max=${MOST} aria-label="Replicas" .value=${String(this.wished)} @change=${this.typed} @keydown=${this.entered} />
        <button type="button" aria-label="One more" ?disabled=${this.wished >= MOST} @click=${() => this.set(this.wished + 1)}>${icon("plus", 13)}</button>
      </div>
      <button type="button" class="primary" ?hidden=${this.wished === this.replicas} ?disabled=${this.busy} @click=${this.tell}>Scale to ${this.wished}</button>
      <button type="button" class="quiet" ?hidden=${this.wished === this.replicas} @click=${() => this.set(this.replicas)}>Reset</button>`;
  }

  private set(number: number): void {
    this.wished = Math.min(MOST, Math.max(0, Math.trunc(number)));
  }

  private typed(event: Event): void {
    const number = (event.target as HTMLInputElement).valueAsNumber;
    this.set(Number.isNaN(number) ? this.replicas : number);
  }

  private entered(event: KeyboardEvent): void {
    if (event.key !== "Enter") return;
    this.typed(event);
    if (this.wished !== this.replicas) this.tell();
  }

  private tell(): void {
    this.dispatchEvent(new CustomEvent<number>("scale", { detail: this.wished }));
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-scale": ScaleControl;
  }
}
