// One's own account: who one is, the password, second factors, where one is logged in.
import { css, html, LitElement, type TemplateResult } from "lit";
import { customElement, query } from "lit/decorators.js";

import { getFactors } from "../../api/factors";
import type { Factors } from "../../api/records";
import "../../elements/empty-state";
import "../../elements/page";
import "../../elements/problem-box";
import { Polled } from "../../state/polled";
import { client, session } from "../../state/world";
import { shared } from "../../styles/shared";
import { enumWord } from "../../text/format";
import type { Enrolment } from "./enrolment";
import "./enrolment";
import "./factor-panel";
import "./linked-logins";
import "./password-panel";
import type { SessionPanel } from "./session-panel";
import "./session-panel";

@customElement("cl-account-page")
export class AccountPage extends LitElement {
  private readonly factors = new Polled<Factors>(this, (signal) => getFactors(client, signal));
  @query("cl-enrolment") private enrolment!: Enrolment;
  @query("cl-session-panel") private sessions!: SessionPanel;

  static override styles = [
    shared,
    css`
      .stack {
        max-width: 860px;
      }
    `,
  ];

  override render(): TemplateResult {
    return html`<cl-page heading="Your account">
        <div class="stack">
          ${this.renderWho()}
          <cl-problem .error=${this.factors.error}></cl-problem>
          ${this.factors.value
            ? html`<cl-factor-panel .factors=${this.factors.value} .enrolment=${() => this.enrolment} @factors-changed=${this.factorsChanged}></cl-factor-panel>
                <cl-password-panel .possible=${this.factors.value.password ?? false} @password-changed=${() => this.sessions.read()}></cl-password-panel>`
            : html`<div class="panel" ?hidden=${this.factors.error !== undefined}><cl-empty symbol="wait" heading="Reading your account…"></cl-empty></div>`}
          <cl-linked-logins .factors=${this.factors.value} .enrolment=${() => this.enrolment}></cl-linked-logins>
          <cl-session-panel></cl-session-panel>
        </div>
      </cl-page>
      <cl-enrolment @enrolled=${() => this.factors.read()}></cl-enrolment>`;
  }

  private async factorsChanged(): Promise<void> {
    await this.factors.read();
    const { required, totp, passkeys } = this.factors.value ?? {};
    // The last one of somebody who must have one is gone: the new tokens say so, and lead to where another is set up.
    if (required && !totp && !passkeys?.length) await session.refresh();
  }

  private renderWho(): TemplateResult {
    const { identity } = session;
    return html`<section class="panel" aria-labelledby="who">
      <header><h2 id="who">Who you are</h2></header>
      <dl class="facts body">
        <dt>User name</dt>
        <dd><strong>${identity?.name}</strong></dd>
        <dt>Roles</dt>
        <dd>${identity?.roles?.join(", ") ?? "none"}</dd>
        <dt>Type</dt>
        <dd>${enumWord(identity?.type, "IDENTITY_TYPE")}</dd>
        <dt>Id</dt>
        <dd class="mono">${identity?.id}</dd>
      </dl>
    </section>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-account-page": AccountPage;
  }
}
