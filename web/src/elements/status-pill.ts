// How something stands, as words with an icon; the colour only repeats what they say.
import { css, html, LitElement, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";

import type { Standing, Tone } from "../state/standing";
import { shared } from "../styles/shared";
import { icon, type IconName } from "./icon";

const ICONS: Record<Tone, IconName> = { ok: "check", busy: "busy", wait: "wait", warn: "warning", bad: "cross", idle: "idle" };

@customElement("cl-status")
export class StatusPill extends LitElement {
  @property({ attribute: false }) standing: Standing = { tone: "idle", label: "" };
  /** Without the coloured ground, for dense rows. */
  @property({ type: Boolean, reflect: true }) plain = false;

  static override styles = [
    shared,
    css`
      :host {
        display: inline-flex;
        max-width: 100%;
        vertical-align: middle;
      }
      span {
        display: inline-flex;
        align-items: center;
        gap: 5px;
        min-width: 0;
        padding: 2px 8px 2px 6px;
        border-radius: 99px;
        font-size: var(--size-small);
        font-weight: 550;
        line-height: 18px;
        color: var(--tone);
        background: var(--tone-quiet);
      }
      :host([plain]) span {
        padding: 0;
        background: none;
      }
      .ok {
        --tone: var(--ok);
        --tone-quiet: var(--ok-quiet);
      }
      .busy {
        --tone: var(--busy);
        --tone-quiet: var(--busy-quiet);
      }
      .wait,
      .warn {
        --tone: var(--warn);
        --tone-quiet: var(--warn-quiet);
      }
      .bad {
        --tone: var(--bad);
        --tone-quiet: var(--bad-quiet);
      }
      .idle {
        --tone: var(--idle);
        --tone-quiet: var(--idle-quiet);
      }
      b {
        font-weight: inherit;
      }
      .icon.busy {
        animation: turn 1.6s linear infinite;
      }
      @keyframes turn {
        to {
          transform: rotate(1turn);
        }
      }
      @media (prefers-reduced-motion: reduce) {
        .icon.busy {
          animation: none;
        }
      }
    `,
  ];

  override render(): TemplateResult {
    const { tone, label } = this.standing;
    return html`<span class=${tone}>${icon(ICONS[tone], 13)}<b class="cut">${label}</b></span>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-status": StatusPill;
  }
}
