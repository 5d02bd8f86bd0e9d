// A time as people say it, kept current; the exact one is in the tooltip and for machines.
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";

import { ago } from "../text/format";

const TICK_MS = 10_000;
const shown = new Set<RelativeTime>();
let ticking: ReturnType<typeof setInterval> | undefined;

@customElement("cl-time")
export class RelativeTime extends LitElement {
  /** RFC 3339; empty shows a dash. */
  @property() at: string | undefined;

  override connectedCallback(): void {
    super.connectedCallback();
    shown.add(this);
    // One clock for all of them.
    ticking ??= setInterval(() => shown.forEach((time) => time.requestUpdate()), TICK_MS);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    shown.delete(this);
    if (shown.size > 0) return;
    clearInterval(ticking);
    ticking = undefined;
  }

  override render(): TemplateResult | typeof nothing {
    if (!this.at) return html`<span aria-label="never">–</span>`;
    const then = new Date(this.at);
    return html`<time datetime=${this.at} title=${then.toLocaleString()}>${ago(then, new Date())}</time>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-time": RelativeTime;
  }
}
