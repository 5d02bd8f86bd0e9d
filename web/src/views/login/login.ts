// The login: a user name and a password, with a second step where the account has one, or a passkey alone.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, query, state } from "lit/decorators.js";

import { beginPasskeyLogin, loginOptions, type LoginOptions } from "../../api/auth";
import { asApiError, type ApiError } from "../../api/errors";
import type { FactorKind, LoginChallenge } from "../../api/records";
import "../../elements/door";
import type { FormField } from "../../elements/form-field";
import "../../elements/form-field";
import { icon } from "../../elements/icon";
import "../../elements/problem-box";
import { toast } from "../../elements/toasts";
import { cancelPasskey, passkeysWork, usePasskey } from "../../state/passkeys";
import { session } from "../../state/world";
import { shared } from "../../styles/shared";
import { isOver, refusal, type Way } from "./refusals";
import "./sso-login";

/** What may answer the second step, the quickest first. */
const SECOND_STEPS: readonly { way: FactorKind; instead: string }[] = [
  { way: "FACTOR_KIND_PASSKEY", instead: "Use a passkey" },
  { way: "FACTOR_KIND_TOTP", instead: "Use a code of the authenticator app" },
  { way: "FACTOR_KIND_RECOVERY_CODE", instead: "Use a recovery code" },
];

@customElement("cl-login")
export class Login extends LitElement {
  @state() private username = "";
  @state() private password = "";
  @state() private code = "";
  @state() private busy = false;
  @state() private error: ApiError | undefined;
  @state() private challenge: LoginChallenge | undefined;
  @state() private way: Way = "PASSWORD";
  /** Undefined until the server has told. */
  @state() private options: LoginOptions | undefined;
  @query("#username") private usernameField!: FormField | null;
  @query("#password") private passwordField!: FormField | null;
  @query("#code") private codeField!: FormField | null;
  @query("button.primary") private mainButton!: HTMLButtonElement | null;

  static override styles = [
    shared,
    css`
      .or {
        display: flex;
        align-items: center;
        gap: var(--gap-3);
        color: var(--text-muted);
        font-size: var(--size-small);
      }
      .or::before,
      .or::after {
        content: "";
        flex: 1;
        border-top: 1px solid var(--line);
      }
      .others {
        display: grid;
        justify-items: center;
        gap: var(--gap-1);
      }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    void this.readOptions();
  }

  override render(): TemplateResult {
    return this.challenge ? this.renderSecondStep(this.challenge) : this.renderFirstStep();
  }

  private renderFirstStep(): TemplateResult {
    return html`<cl-door heading="Log in to Cloudly">
      ${session.ending === "expired" ? html`<p slot="lead" class="muted">Your session has ended. Log in again to go on where you were.</p>` : nothing}
      ${this.options?.password === false ? this.renderNobody() : this.renderForm()}
    </cl-door>`;
  }

  /** Before the first admin nobody has a password; who has come in by other ways still does. */
  private renderNobody(): TemplateResult {
    return html`<div class="panel">
      <p role="status"><strong>Nobody can log in with a password yet.</strong> Cloudly has no admin: start it with <code>SERVEZONE_ADMINACCOUNT=user:password</code> in its environment, and it makes the first one.</p>
      <button type="button" @click=${this.readOptions}>Look again</button>
      <cl-problem .error=${this.error}></cl-problem>
      ${this.renderOtherWays()}
    </div>`;
  }

  private renderForm(): TemplateResult {
    return html`<form class="panel" @submit=${this.submit}>
        <cl-field id="username" label="User name" autocomplete="username" .value=${this.username} @changed=${(event: CustomEvent<string>) => (this.username = event.detail)}></cl-field>
        <cl-field id="password" label="Password" type="password" autocomplete="current-password" .value=${this.password} @changed=${(event: CustomEvent<string>) => (this.password = event.detail)}></cl-field>
        <cl-problem .error=${this.error}></cl-problem>
        <button class="primary" type="submit" ?disabled=${this.busy}>${this.busy && this.way === "PASSWORD" ? "Logging in…" : "Log in"}</button>
        ${this.renderOtherWays()}
      </form>
      <p class="muted small">The first login was printed when Cloudly was started for the first time. A lost password is reset by an admin, or on the host with <code>cloudly admin reset-password</code>.</p>`;
  }

  /** Ways that need no password. */
  private renderOtherWays(): TemplateResult {
    const passkeys = this.options?.passkeys === true && passkeysWork();
    return html`${passkeys ? this.renderPasskey() : nothing}
      <cl-sso-login ?first=${!passkeys} .providers=${this.options?.providers ?? []} @challenge=${(event: CustomEvent<LoginChallenge>) => this.ask(event.detail)}></cl-sso-login>`;
  }

  private renderPasskey(): TemplateResult {
    const waiting = this.busy && this.way === "FACTOR_KIND_PASSKEY";
    return html`<div class="or">or</div>
      ${waiting
        ? html`<button type="button" @click=${cancelPasskey}>Waiting for your passkey · Cancel</button>`
        : html`<button type="button" ?disabled=${this.busy} @click=${this.loginByPasskey}>${icon("passkey")} Log in with a passkey</button>`}`;
  }

  private renderSecondStep(challenge: LoginChallenge): TemplateResult {
    const others = usable(challenge).filter(({ way }) => way !== this.way);
    return html`<cl-door heading="One more step">
      <p slot="lead" class="muted">${this.username === "" ? "Your account here has a second factor." : html`Logging in as <strong>${this.username}</strong>`}</p>
      <form class="panel" @submit=${this.submit}>
        ${this.renderAnswer()}
        <cl-problem .error=${this.error}></cl-problem>
        <button class="primary" type="submit" ?disabled=${this.busy}>${this.busy ? "Logging in…" : this.way === "FACTOR_KIND_PASSKEY" ? html`${icon("passkey")} Use passkey` : "Log in"}</button>
      </form>
      <div class="others" role="group" aria-label="Other ways">
        ${others.map(({ way, instead }) => html`<button type="button" class="quiet" ?disabled=${this.busy} @click=${() => this.choose(way)}>${instead}</button>`)}
        <button type="button" class="quiet" ?disabled=${this.busy} @click=${this.forgetName}>Log in as somebody else</button>
      </div>
    </cl-door>`;
  }

  private renderAnswer(): TemplateResult {
    if (this.way === "FACTOR_KIND_PASSKEY") return html`<p>Your browser asks for a passkey of this account: a fingerprint, a face, a PIN or a security key.</p>`;
    const recovery = this.way === "FACTOR_KIND_RECOVERY_CODE";
    return html`<cl-field
      id="code"
      label=${recovery ? "Recovery code" : "Code"}
      mono
      autocomplete=${recovery ? "off" : "one-time-code"}
      keyboard=${recovery ? "text" : "numeric"}
      placeholder=${recovery ? "xxxx-xxxx-xxxx-xxxx" : "123456"}
      hint=${recovery ? "One of the ten that you kept. It works this once." : "The six digits that your authenticator app shows now."}
      .value=${this.code}
      @changed=${(event: CustomEvent<string>) => (this.code = event.detail)}
    ></cl-field>`;
  }

  protected override firstUpdated(): void {
    void this.focusStep();
  }

  private async readOptions(): Promise<void> {
    this.error = undefined;
    try {
      this.options = await loginOptions();
    } catch (error) {
      this.error ??= asApiError(error);
    }
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    if (this.busy) return;
    if (this.challenge) await this.answer(this.challenge);
    else await this.loginByPassword();
  }

  private async loginByPassword(): Promise<void> {
    // A password manager fills the controls without an event that bubbles here; their values are the truth.
    this.username = this.usernameField?.value.trim() ?? "";
    this.password = this.passwordField?.value ?? "";
    if (this.username === "" || this.password === "") {
      (this.username === "" ? this.usernameField : this.passwordField)?.focus();
      return;
    }
    await this.attempt("PASSWORD", async () => {
      const challenge = await session.login(this.username, this.password);
      this.password = "";
      if (challenge) this.ask(challenge);
    });
  }

  private ask(challenge: LoginChallenge): void {
    this.challenge = challenge;
    this.way = usable(challenge)[0]?.way ?? "FACTOR_KIND_RECOVERY_CODE";
    void this.focusStep();
  }

  private async loginByPasskey(): Promise<void> {
    await this.attempt("FACTOR_KIND_PASSKEY", async () => {
      const { challenge, options } = await beginPasskeyLogin();
      await session.completeLogin(challenge, { credential: await usePasskey(options) });
    });
  }

  private async answer({ token, passkeyOptions }: LoginChallenge): Promise<void> {
    const { way } = this;
    this.code = this.codeField?.value.trim() ?? "";
    const { code } = this;
    if (way !== "FACTOR_KIND_PASSKEY" && code === "") {
      this.codeField?.focus();
      return;
    }
    await this.attempt(way, async () => {
      await session.completeLogin(token, way === "FACTOR_KIND_PASSKEY" ? { credential: await usePasskey(passkeyOptions ?? "") } : { code });
      if (way === "FACTOR_KIND_RECOVERY_CODE") toast("That recovery code is used up. Your account page tells how many are left.");
    });
  }

  /** Runs a step; what refuses it is told, and the focus goes to where one goes on. */
  private async attempt(way: Way, step: () => Promise<void>): Promise<void> {
    this.way = way;
    this.busy = true;
    this.error = undefined;
    try {
      await step();
    } catch (thrown) {
      const error = asApiError(thrown);
      // What was wrong is entered anew; what got no answer is still there to be sent again.
      if (error.reason === "CREDENTIALS_INVALID") this.password = this.code = "";
      if (isOver(error)) this.startAgain(refusal(error, way));
      else this.error = refusal(error, way);
    } finally {
      this.busy = false;
    }
    if (!session.identity) await this.focusStep();
  }

  private choose(way: FactorKind): void {
    this.way = way;
    this.error = undefined;
    this.code = "";
    void this.focusStep();
  }

  private forgetName(): void {
    this.username = "";
    this.startAgain(undefined);
  }

  private startAgain(why: ApiError | undefined): void {
    this.challenge = undefined;
    this.way = "PASSWORD";
    this.code = "";
    this.error = why;
    void this.focusStep();
  }

  private async focusStep(): Promise<void> {
    await this.updateComplete;
    const known = this.username === "" ? this.usernameField : this.passwordField;
    const field = this.challenge ? this.codeField : known;
    await field?.updateComplete;
    (field ?? this.mainButton)?.focus();
  }
}

function usable({ factors }: LoginChallenge): typeof SECOND_STEPS {
  return SECOND_STEPS.filter(({ way }) => factors.includes(way) && (way !== "FACTOR_KIND_PASSKEY" || passkeysWork()));
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-login": Login;
  }
}
