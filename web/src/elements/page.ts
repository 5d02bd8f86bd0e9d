// A page's frame: where it is (the way back), its heading, its actions. The heading takes the focus after a navigation,
// so that keyboard and screen reader begin at the new page.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property, query } from "lit/decorators.js";

import { shared } from "../styles/shared";
import { icon } from "./icon";

export interface Crumb {
  label: string;
  href: string;
}

@customElement("cl-page")
export class Page extends LitElement {
  @property() heading = "";
  @property({ attribute: false }) crumbs: readonly Crumb[] = [];
  @query("h1") private h1!: HTMLElement;

  static override styles = [
    shared,
    css`
      :host {
        display: block;
        padding: var(--gap-5) var(--gap-6) var(--gap-6);
        max-width: 1440px;
        margin-inline: auto;
      }
      nav ol {
        display: flex;
        align-items: center;
        gap: 4px;
        margin-bottom: 4px;
        font-size: var(--size-small);
        color: var(--text-muted);
      }
      nav li {
        display: flex;
        align-items: center;
        gap: 4px;
      }
      header {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: var(--gap-2) var(--gap-3);
        min-height: 36px;
        margin-bottom: var(--gap-4);
      }
      h1 {
        font-size: var(--size-title);
        font-weight: 620;
        letter-spacing: -0.012em;
        line-height: 1.3;
        overflow-wrap: anywhere;
      }
      h1:focus {
        outline: none;
      }
      h1:focus-visible {
        outline: 2px solid var(--focus);
        outline-offset: 4px;
      }
      .actions {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        justify-content: flex-end;
        gap: var(--gap-2) var(--gap-3);
        margin-inline-start: auto;
      }
      @media (max-width: 720px) {
        :host {
          padding: var(--gap-4);
        }
      }
    `,
  ];

  override render(): TemplateResult {
    return html`
      ${this.crumbs.length === 0
        ? nothing
        : html`<nav aria-label="Breadcrumb"><ol>${this.crumbs.map(({ label, href }) => html`<li><a href=${href}>${label}</a>${icon("right", 11)}</li>`)}</ol></nav>`}
      <header>
        <h1 tabindex="-1">${this.heading}</h1>
        <slot name="status"></slot>
        <div class="actions"><slot name="actions"></slot></div>
      </header>
      <slot></slot>
    `;
  }

  protected override updated(): void {
    document.title = this.heading === "" ? "Cloudly" : `${this.heading} · Cloudly`;
  }

  focusHeading(): void {
    this.h1.focus({ preventScroll: true });
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-page": Page;
  }
}
