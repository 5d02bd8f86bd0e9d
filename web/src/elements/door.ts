// The frame of the pages before the dashboard: the brand, a heading, a form. What is said under the heading goes into the
// slot `lead`.
import { css, html, LitElement, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";

import { shared } from "../styles/shared";
import { icon } from "./icon";

@customElement("cl-door")
export class Door extends LitElement {
  @property() heading = "";

  static override styles = [
    shared,
    css`
      :host {
        --control-height: 36px;
        display: grid;
        place-items: center;
        min-height: 100vh;
        padding: var(--gap-5) var(--gap-4);
      }
      .box {
        display: grid;
        gap: var(--gap-5);
        width: min(360px, 100%);
      }
      .brand {
        display: grid;
        justify-items: center;
        gap: var(--gap-3);
        text-align: center;
      }
      .brand > span {
        display: grid;
        place-items: center;
        width: 44px;
        height: 44px;
        border-radius: 11px;
        background: var(--accent-fill);
        color: #fff;
      }
      h1 {
        font-size: var(--size-title);
        font-weight: 630;
      }
      ::slotted(form),
      ::slotted(.panel) {
        display: grid;
        gap: var(--gap-4);
        padding: var(--gap-5);
      }
    `,
  ];

  override render(): TemplateResult {
    return html`<div class="box">
      <div class="brand">
        <span>${icon("logo", 28)}</span>
        <h1>${this.heading}</h1>
        <slot name="lead"></slot>
      </div>
      <slot></slot>
    </div>`;
  }

  protected override updated(): void {
    document.title = `${this.heading} · Cloudly`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-door": Door;
  }
}
