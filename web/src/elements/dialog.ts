// A dialog: Web Awesome's (focus kept inside, Escape, the page behind inert) with this house's head and foot.
// Content in the default slot, buttons in `footer`. Emits `opened` when it stands and nobody has gone to a control in it yet
// (the time to focus one), and `closed` when it is gone, for whatever reason.
import "@awesome.me/webawesome/dist/components/dialog/dialog.js";
import { css, html, LitElement, type TemplateResult } from "lit";
import { customElement, property, state } from "lit/decorators.js";

import { shared } from "../styles/shared";
import { icon } from "./icon";

@customElement("cl-dialog")
export class Dialog extends LitElement {
  @property() heading = "";
  @property({ type: Boolean, reflect: true }) open = false;
  /** Whether Escape and the cross close it; off while something runs or must be read first. */
  @property({ type: Boolean }) locked = false;
  @property() width = "520px";
  @state() private upgraded = false;

  static override styles = [
    shared,
    css`
      wa-dialog {
        --spacing: 0;
        --width: var(--dialog-width, 520px);
        --show-duration: 120ms;
        --hide-duration: 90ms;
      }
      wa-dialog::part(dialog) {
        border: 1px solid var(--line);
        border-radius: var(--radius-large);
        background: var(--raised);
        color: var(--text);
        box-shadow: var(--shadow-high);
      }
      wa-dialog::part(body) {
        padding: 0;
        scroll-padding-block: 56px 64px;
        font: 400 var(--size) / 1.45 var(--font);
      }
      header {
        display: flex;
        align-items: center;
        justify-content: space-between;
        gap: var(--gap-3);
        padding: var(--gap-4) var(--gap-4) var(--gap-2) var(--gap-5);
        background: var(--raised);
      }
      /* A long form scrolls between the two. */
      header,
      footer {
        position: sticky;
        z-index: 1;
      }
      header {
        top: 0;
      }
      .content {
        padding: var(--gap-1) var(--gap-5) var(--gap-5);
      }
      footer {
        bottom: 0;
        display: flex;
        justify-content: flex-end;
        gap: var(--gap-2);
        padding: var(--gap-3) var(--gap-5);
        border-top: 1px solid var(--line);
        background: var(--sunken);
        border-radius: 0 0 var(--radius-large) var(--radius-large);
      }
    `,
  ];

  override render(): TemplateResult {
    /* eslint-disable lit-a11y/no-autofocus -- Web Awesome takes the focus to the dialog itself in the first frame, where nothing in it
       has the attribute. A `div` takes none, so whoever is in a control stays there. */
    this.style.setProperty("--dialog-width", this.width);
    return html`<wa-dialog
      label=${this.heading}
      without-header
      ?open=${this.open && this.upgraded}
      @wa-after-show=${this.shown}
      @wa-hide=${this.hiding}
      @wa-after-hide=${this.gone}
    >
      <header>
        <h2>${this.heading}</h2>
        <button type="button" class="quiet icon-only" aria-label="Close" ?hidden=${this.locked} @click=${() => (this.open = false)}>${icon("cross")}</button>
      </header>
      <div class="content" autofocus><slot></slot></div>
      <footer><slot name="footer"></slot></footer>
    </wa-dialog>`;
    /* eslint-enable lit-a11y/no-autofocus */
  }

  protected override firstUpdated(): void {
    // A Web Awesome dialog that is born open never says that it was shown, so it is opened a moment later.
    this.upgraded = true;
  }

  private shown(event: CustomEvent): void {
    if (event.target === event.currentTarget && !this.entered) this.dispatchEvent(new CustomEvent("opened"));
  }

  /** Whether somebody is in a control of the content: who is quick, or has a slow machine, types before the dialog stands. */
  private get entered(): boolean {
    const focused = (this.getRootNode() as Document | ShadowRoot).activeElement;
    return focused !== null && focused !== this && this.contains(focused);
  }

  private hiding(event: CustomEvent): void {
    if (event.target !== event.currentTarget) return;
    if (this.locked && this.open) event.preventDefault();
  }

  private gone(event: CustomEvent): void {
    if (event.target !== event.currentTarget) return;
    this.open = false;
    this.dispatchEvent(new CustomEvent("closed"));
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-dialog": Dialog;
  }
}
