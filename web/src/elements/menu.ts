// A button that opens a menu: Web Awesome's dropdown (arrow keys, type-ahead, Escape) behind this house's button.
import "@awesome.me/webawesome/dist/components/dropdown-item/dropdown-item.js";
import "@awesome.me/webawesome/dist/components/dropdown/dropdown.js";
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";

import { shared } from "../styles/shared";
import { icon, type IconName } from "./icon";

export interface MenuItem {
  value: string;
  label: string;
  symbol: IconName;
  danger?: boolean;
  chosen?: boolean;
}

@customElement("cl-menu")
export class Menu extends LitElement {
  @property() label = "";
  @property() symbol: IconName | "" = "";
  /** Only the symbol is shown; the label is the button's name. */
  @property({ type: Boolean }) compact = false;
  @property({ attribute: false }) items: readonly MenuItem[] = [];

  static override styles = [
    shared,
    css`
      wa-dropdown::part(menu) {
        border: 1px solid var(--line);
        border-radius: var(--radius);
        background: var(--raised);
        box-shadow: var(--shadow-high);
        font: 400 var(--size) / 1.4 var(--font);
      }
      wa-dropdown-item {
        font: 400 var(--size) / 1.4 var(--font);
      }
      .chosen {
        margin-inline-start: var(--gap-4);
      }
    `,
  ];

  override render(): TemplateResult {
    return html`<wa-dropdown placement="bottom-end" @wa-select=${this.selected}>
      <button slot="trigger" type="button" class="quiet ${this.compact ? "icon-only" : ""}" aria-label=${this.label} title=${this.compact ? this.label : ""}>
        ${this.symbol === "" ? nothing : icon(this.symbol)}${this.compact ? nothing : html`${this.label}${icon("down", 11)}`}
      </button>
      ${this.items.map(
        ({ value, label, symbol, danger, chosen }) => html`<wa-dropdown-item value=${value} variant=${danger ? "danger" : "default"}>
          <span slot="icon">${icon(symbol)}</span>${label}${chosen ? html`<span class="chosen" slot="details">${icon("check", 13)}<span class="visually-hidden">chosen</span></span>` : nothing}
        </wa-dropdown-item>`,
      )}
    </wa-dropdown>`;
  }

  private selected(event: CustomEvent<{ item: { value: string } }>): void {
    this.dispatchEvent(new CustomEvent<string>("chosen", { detail: event.detail.item.value }));
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-menu": Menu;
  }
}
