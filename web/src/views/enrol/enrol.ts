// For a session that has to enrol a second factor before it can do anything else: says so, and leads through it. The tokens
// that are fetched afterwards lift the restriction, and the guard (router.ts) leads on to where one wanted to go.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, query, state } from "lit/decorators.js";

import { getFactors } from "../../api/factors";
import type { Factors } from "../../api/records";
import "../../elements/door";
import { icon } from "../../elements/icon";
import "../../elements/problem-box";
import { toastError } from "../../elements/toasts";
import { passkeysWork } from "../../state/passkeys";
import { Submission } from "../../state/submission";
import { client, session } from "../../state/world";
import { shared } from "../../styles/shared";
import type { Enrolment } from "../account/enrolment";
import "../account/enrolment";

@customElement("cl-enrol")
export class Enrol extends LitElement {
  @state() private factors: Factors | undefined;
  private readonly sending = new Submission(this);
  @query("cl-enrolment") private enrolment!: Enrolment;
  @query(".way") private first!: HTMLButtonElement | null;

  static override styles = [
    shared,
    css`
      .way {
        display: grid;
        grid-template-columns: 24px minmax(0, 1fr) 14px;
        justify-items: start;
        gap: 2px var(--gap-3);
        width: 100%;
        height: auto;
        padding: var(--gap-3) var(--gap-4);
        white-space: normal;
        text-align: start;
        line-height: 1.4;
      }
      .way > svg {
        grid-row: span 2;
      }
      .way span {
        grid-column: 2;
        font-weight: 400;
      }
      .way strong {
        font-weight: 600;
      }
      .way .right {
        grid-column: 3;
        grid-row: 1 / span 2;
      }
      .foot {
        display: flex;
        justify-content: center;
      }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    void this.read();
  }

  override render(): TemplateResult {
    return html`<cl-door heading="Set up a second factor">
        <p slot="lead" class="muted">Your account <strong>${session.identity?.name}</strong> must have one. Choose which, then you go on to where you wanted.</p>
        <div class="panel">${this.renderWays()}<cl-problem .error=${this.sending.error}></cl-problem></div>
        <div class="foot"><button type="button" class="quiet" @click=${this.logout}>${icon("logout")} Log out</button></div>
      </cl-door>
      <cl-enrolment @enrolled=${this.goOn}></cl-enrolment>`;
  }

  private renderWays(): TemplateResult {
    const { factors } = this;
    const { busy, error } = this.sending;
    if (!factors) return html`<p class="muted" ?hidden=${error !== undefined}>Reading your account…</p>`;
    // Enrolled in another tab, or the tokens could not be renewed before.
    if (factors.totp || factors.passkeys?.length) {
      return html`<p>Your second factor is set up.</p>
        <button type="button" class="primary way-on" ?disabled=${busy} @click=${this.goOn}>Continue</button>`;
    }
    return html`<button type="button" class="way" ?disabled=${busy} @click=${() => this.enrolment.addTotp(factors)}>
        ${icon("phone", 20)}<strong>Authenticator app</strong><span class="muted">Makes codes on your phone</span>${icon("right", 14)}
      </button>
      ${factors.passkeysPossible && passkeysWork()
        ? html`<button type="button" class="way" ?disabled=${busy} @click=${() => this.enrolment.addPasskey(factors)}>
            ${icon("passkey", 20)}<strong>Passkey</strong><span class="muted">Fingerprint, face or PIN</span>${icon("right", 14)}
          </button>`
        : nothing}`;
  }

  private async read(): Promise<void> {
    await this.sending.send(() => this.load());
    await this.updateComplete;
    this.first?.focus();
  }

  private async load(): Promise<void> {
    this.factors = await getFactors(client);
  }

  private async goOn(): Promise<void> {
    await this.sending.send(async () => {
      try {
        await session.refresh();
      } finally {
        // Still held back: what was enrolled was taken away again meanwhile, or the tokens could not be renewed.
        if (session.identity?.mustEnrol) await this.load();
      }
    });
  }

  private async logout(): Promise<void> {
    try {
      await session.logout();
    } catch (error) {
      toastError(error);
    }
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-enrol": Enrol;
  }
}
