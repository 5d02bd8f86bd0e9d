// The login.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, query, state } from "lit/decorators.js";

import { asApiError, type ApiError } from "../../api/errors";
import type { LoginChallenge } from "../../api/records";
import type { FormField } from "../../elements/form-field";
import "../../elements/form-field";
import { icon } from "../../elements/icon";
import "../../elements/problem-box";
import { session } from "../../state/world";
import { shared } from "../../styles/shared";

@customElement("cl-login")
export class Login extends LitElement {
  @state() private username = "";
  @state() private password = "";
  @state() private busy = false;
  @state() private error: ApiError | undefined;
  @state() private code = "";
  @state() private challenge: LoginChallenge | undefined;
  @query("#username") private usernameField!: FormField;
  @query("#password") private passwordField!: FormField;
  @query("#code") private codeField!: FormField | null;

  static override styles = [
    shared,
    css`
      :host {
        display: grid;
        place-items: center;
        min-height: 100vh;
        padding: var(--gap-5);
      }
      .box {
        display: grid;
        gap: var(--gap-5);
        width: min(348px, 100%);
      }
      .brand {
        display: grid;
        justify-items: center;
        gap: var(--gap-3);
        text-align: center;
      }
      .brand span {
        display: grid;
        place-items: center;
        width: 44px;
        height: 44px;
        border-radius: 11px;
        background: var(--accent-fill);
        color: #fff;
      }
      h1 {
        font-size: var(--size-title);
        font-weight: 630;
      }
      form {
        display: grid;
        gap: var(--gap-4);
        padding: var(--gap-5);
      }
      button {
        height: 36px;
      }
    `,
  ];

  override render(): TemplateResult {
    return html`<div class="box">
      <div class="brand">
        <span>${icon("logo", 28)}</span>
        <h1>Log in to Cloudly</h1>
        ${session.ending === "expired" ? html`<p class="muted">Your session has ended. Log in again to go on where you were.</p>` : nothing}
      </div>
      <form class="panel" @submit=${this.submit}>
        ${this.challenge ? this.codeForm() : this.passwordForm()}
        <cl-problem .error=${this.error}></cl-problem>
        <button class="primary" type="submit" ?disabled=${this.busy}>${this.busy ? "Logging in…" : "Log in"}</button>
      </form>
      <p class="muted small">The first login was printed when Cloudly was started for the first time. A lost password is reset on the host with <code>cloudly admin reset-password</code>.</p>
    </div>`;
  }

  private passwordForm(): TemplateResult {
    return html`<cl-field id="username" label="User name" autocomplete="username" .value=${this.username} @changed=${(event: CustomEvent<string>) => (this.username = event.detail)}></cl-field>
      <cl-field id="password" label="Password" type="password" autocomplete="current-password" .value=${this.password} @changed=${(event: CustomEvent<string>) => (this.password = event.detail)}></cl-field>`;
  }

  private codeForm(): TemplateResult {
    return html`<cl-field id="code" label="Code" autocomplete="one-time-code" hint="Of your authenticator app, or one of your recovery codes." .value=${this.code} @changed=${(event: CustomEvent<string>) => (this.code = event.detail)}></cl-field>
      <button type="button" @click=${this.startAgain}>Start again</button>`;
  }

  protected override firstUpdated(): void {
    document.title = "Log in · Cloudly";
    void this.usernameField.updateComplete.then(() => this.usernameField.focus());
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    if (this.busy) return;
    if (this.challenge) {
      await this.answer(this.challenge);
      return;
    }
    // A password manager fills the controls without an event that bubbles here; their values are the truth.
    this.username = this.usernameField.value;
    this.password = this.passwordField.value;
    if (this.username === "" || this.password === "") {
      (this.username === "" ? this.usernameField : this.passwordField).focus();
      return;
    }
    this.busy = true;
    this.error = undefined;
    try {
      this.challenge = await session.login(this.username, this.password);
      if (this.challenge) this.password = "";
    } catch (error) {
      this.error = asApiError(error);
      this.password = "";
      this.passwordField.focus();
    } finally {
      this.busy = false;
    }
    await this.updateComplete;
    this.codeField?.focus();
  }

  private async answer(challenge: LoginChallenge): Promise<void> {
    this.code = this.codeField?.value.trim() ?? "";
    if (this.code === "") {
      this.codeField?.focus();
      return;
    }
    this.busy = true;
    this.error = undefined;
    try {
      await session.completeLogin(challenge, this.code);
    } catch (error) {
      this.error = asApiError(error);
      this.code = "";
      this.codeField?.focus();
    } finally {
      this.busy = false;
    }
  }

  private startAgain(): void {
    this.challenge = undefined;
    this.error = undefined;
    this.code = "";
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-login": Login;
  }
}
