// Text to take elsewhere: a command, a digest, a jump code. Selectable, with a button that copies it and says so.
import { css, html, LitElement, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";

import { shared } from "../styles/shared";
import { icon } from "./icon";

const SAID_MS = 2_000;

@customElement("cl-copy")
export class CopyField extends LitElement {
  /** What it is, for the button's name: "Copy jump code". */
  @property() label = "";
  /** What is copied; several lines are allowed. */
  @property() value = "";
  /** What is shown, if it is shorter than the value. */
  @property() display = "";
  /** One line among text, without a frame. */
  @property({ type: Boolean, reflect: true }) inline = false;
  /** Only the button, for text that stands beside it. */
  @property({ type: Boolean, reflect: true }) button = false;
  @query("code") private code!: HTMLElement;
  @state() private said: "" | "Copied" | "Press Ctrl+C" = "";

  static override styles = [
    shared,
    css`
      :host {
        display: block;
        min-width: 0;
      }
      :host([inline]) {
        display: inline-flex;
        max-width: 100%;
      }
      div {
        display: flex;
        align-items: flex-start;
        gap: var(--gap-2);
        min-width: 0;
        width: 100%;
        padding: 5px 5px 5px 12px;
        border: 1px solid var(--line);
        border-radius: var(--radius);
        background: var(--sunken);
        text-align: start;
      }
      :host([inline]) div {
        align-items: center;
        gap: 2px;
        padding: 0;
        border: 0;
        background: none;
      }
      code {
        flex: 1;
        min-width: 0;
        padding: 3px 0;
        line-height: 1.6;
        white-space: pre-wrap;
        overflow-wrap: anywhere;
        user-select: all;
      }
      :host([button]) {
        display: inline-block;
      }
      :host([button]) div {
        padding: 0;
        border: 0;
        background: none;
      }
      :host([inline]) code {
        padding: 0;
        overflow: hidden;
        text-overflow: ellipsis;
        white-space: nowrap;
      }
      :host([inline]) button {
        width: 22px;
        height: 22px;
        padding: 0;
      }
      button.said {
        color: var(--ok);
      }
    `,
  ];

  override render(): TemplateResult {
    const name = `Copy ${this.label}`;
    return html`<div>
      <code class=${this.button ? "visually-hidden" : ""} aria-hidden=${this.button}>${this.display === "" ? this.value : this.display}</code>
      <button type="button" class="${this.button ? "" : "quiet compact"} ${this.said === "" ? "" : "said"} ${this.inline ? "icon-only" : ""}" aria-label=${name} title=${name} @click=${this.copy}>
        ${icon(this.said === "Copied" ? "check" : "copy", 14)}${this.inline ? "" : this.said === "" ? "Copy" : this.said}
      </button>
      <span class="visually-hidden" role="status">${this.said === "Copied" ? `${this.label} copied` : this.said}</span>
    </div>`;
  }

  private async copy(event: Event): Promise<void> {
    event.stopPropagation();
    this.said = (await this.toClipboard()) ? "Copied" : "Press Ctrl+C";
    setTimeout(() => (this.said = ""), SAID_MS);
  }

  private async toClipboard(): Promise<boolean> {
    try {
      // Missing over plain HTTP, refused when the page has no focus.
      await navigator.clipboard.writeText(this.value);
      return true;
    } catch (error) {
      if (!(error instanceof TypeError || error instanceof DOMException)) throw error;
      getSelection()?.selectAllChildren(this.code);
      return false;
    }
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-copy": CopyField;
  }
}
