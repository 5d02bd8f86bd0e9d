// Short news at the edge of the page, read out by screen readers. Errors stay until they are dismissed.
import { css, html, LitElement, type TemplateResult } from "lit";
import { customElement, state } from "lit/decorators.js";
import { repeat } from "lit/directives/repeat.js";

import { asApiError } from "../api/errors";
import { shared } from "../styles/shared";
import { icon } from "./icon";

interface Toast {
  id: number;
  tone: "ok" | "bad";
  text: string;
}

const SHOWN_MS = 6_000;
const news = new EventTarget();
let last = 0;

/** Says something to the user. */
export function toast(text: string, tone: Toast["tone"] = "ok"): void {
  news.dispatchEvent(new CustomEvent<Toast>("toast", { detail: { id: ++last, tone, text } }));
}

/** Says what went wrong, and what to do. */
export function toastError(thrown: unknown): void {
  const error = asApiError(thrown);
  toast([error.title, error.detail, error.action].filter((part) => part !== "").join(" · "), "bad");
}

@customElement("cl-toasts")
export class Toasts extends LitElement {
  @state() private toasts: Toast[] = [];

  static override styles = [
    shared,
    css`
      :host {
        position: fixed;
        z-index: 20;
        inset: auto var(--gap-4) var(--gap-4) auto;
        width: min(400px, calc(100vw - 32px));
      }
      div {
        display: grid;
        gap: var(--gap-2);
      }
      section {
        display: flex;
        align-items: flex-start;
        gap: var(--gap-2);
        padding: 10px 10px 10px 14px;
        border: 1px solid var(--line);
        border-inline-start: 3px solid var(--ok);
        border-radius: var(--radius);
        background: var(--raised);
        box-shadow: var(--shadow-high);
      }
      section.bad {
        border-inline-start-color: var(--bad);
      }
      section > .icon {
        margin-top: 2px;
        color: var(--ok);
      }
      section.bad > .icon {
        color: var(--bad);
      }
      p {
        flex: 1;
        overflow-wrap: anywhere;
      }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    news.addEventListener("toast", this.add);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    news.removeEventListener("toast", this.add);
  }

  override render(): TemplateResult {
    return html`<div role="region" aria-label="Notifications" aria-live="polite" aria-relevant="additions">
      ${repeat(this.toasts, ({ id }) => id, ({ id, tone, text }) => html`<section class=${tone}>
        ${icon(tone === "ok" ? "check" : "warning")}
        <p>${text}</p>
        <button type="button" class="quiet compact icon-only" aria-label="Dismiss" @click=${() => this.dismiss(id)}>${icon("cross", 12)}</button>
      </section>`)}
    </div>`;
  }

  private readonly add = (event: Event): void => {
    const { detail } = event as CustomEvent<Toast>;
    this.toasts = [...this.toasts.slice(-3), detail];
    if (detail.tone === "ok") setTimeout(() => this.dismiss(detail.id), SHOWN_MS);
  };

  private dismiss(id: number): void {
    this.toasts = this.toasts.filter((one) => one.id !== id);
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-toasts": Toasts;
  }
}
