// Whether what is shown is live: connected, trying, or refused and why. Stale numbers never look fresh.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";

import type { AnyCollection } from "../state/collection";
import { shared } from "../styles/shared";
import "./problem-box";

@customElement("cl-watch-state")
export class WatchState extends LitElement {
  @property({ attribute: false }) collections: readonly AnyCollection[] = [];

  static override styles = [
    shared,
    css`
      :host {
        display: flex;
      }
      span {
        display: inline-flex;
        align-items: center;
        gap: 6px;
        color: var(--text-muted);
        font-size: var(--size-small);
      }
      i {
        width: 7px;
        height: 7px;
        border-radius: 50%;
        background: var(--idle);
      }
      .live i {
        background: var(--ok);
      }
      .waiting,
      .refused {
        color: var(--warn);
      }
      .waiting i,
      .refused i {
        background: var(--warn);
      }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    for (const collection of this.collections) collection.addEventListener("change", this.changed);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    for (const collection of this.collections) collection.removeEventListener("change", this.changed);
  }

  override render(): TemplateResult | typeof nothing {
    const states = this.collections.map(({ connection }) => connection);
    const worst = (["refused", "waiting", "connecting"] as const).find((one) => states.includes(one)) ?? "live";
    const refused = this.collections.find(({ connection }) => connection === "refused")?.error;
    const words = { live: "Live", connecting: "Connecting…", waiting: "Connection lost, trying again…", refused: refused?.title ?? "Not live" }[worst];
    return html`<span class=${worst} role="status" title=${refused?.detail ?? ""}><i></i>${words}</span>`;
  }

  private readonly changed = (): void => this.requestUpdate();
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-watch-state": WatchState;
  }
}
