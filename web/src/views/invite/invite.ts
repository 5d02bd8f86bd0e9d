// The page behind an invitation or a reset link: choose a password. The link's secret stands behind the # of the address.
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, query, state } from "lit/decorators.js";

import { acceptInvitation, lookUpInvitation, type Invitation } from "../../api/auth";
import "../../elements/door";
import type { FormField } from "../../elements/form-field";
import "../../elements/form-field";
import "../../elements/problem-box";
import { navigate } from "../../router";
import { Submission } from "../../state/submission";
import { session } from "../../state/world";
import { shared } from "../../styles/shared";
import { PASSWORD_RULES } from "../../text/passwords";

@customElement("cl-invite")
export class Invite extends LitElement {
  @state() private invitation: Invitation | undefined;
  @state() private mismatch = "";
  @state() private done = false;
  private readonly sending = new Submission(this);
  @query("#password") private passwordField!: FormField;
  @query("#again") private againField!: FormField;
  private token = "";

  static override styles = shared;

  override connectedCallback(): void {
    super.connectedCallback();
    this.token = location.hash.slice(1);
    void this.sending.send(async () => void (this.invitation = await lookUpInvitation(this.token)));
  }

  override render(): TemplateResult {
    const { invitation } = this;
    const resets = invitation?.kind === "INVITATION_KIND_RESET";
    return html`<cl-door heading=${invitation && !resets ? "Welcome to Cloudly" : "Choose a password"}>
      ${invitation ? html`<p slot="lead" class="muted">You will log in as <strong>${invitation.name}</strong>.</p>` : nothing}
      ${this.done ? html`<p>Your new password is set. <a href="/login">Log in</a></p>` : invitation ? this.renderForm() : html`<cl-problem .error=${this.sending.error}></cl-problem>`}
    </cl-door>`;
  }

  private renderForm(): TemplateResult {
    return html`<form class="panel" @submit=${this.submit}>
      <cl-field id="password" label="Password" type="password" autocomplete="new-password" hint=${PASSWORD_RULES} .violation=${this.sending.wrong("password")}></cl-field>
      <cl-field id="again" label="Once more" type="password" autocomplete="new-password" .violation=${this.mismatch}></cl-field>
      <cl-problem .error=${this.sending.elsewhere(["password"])}></cl-problem>
      <button class="primary" type="submit" ?disabled=${this.sending.busy}>${this.sending.busy ? "Setting…" : "Set password"}</button>
    </form>`;
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    if (this.sending.busy) return;
    const password = this.passwordField.value;
    this.sending.begin();
    this.mismatch = password === this.againField.value ? "" : "is not the same";
    if (this.mismatch !== "") return;
    await this.sending.send(async () => {
      const pair = await acceptInvitation(this.token, password);
      // Used up: it need not stay in the history.
      history.replaceState(null, "", "/invite");
      if (pair) {
        session.enter(pair);
        navigate("/", "replace");
      } else {
        this.done = true;
      }
    });
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-invite": Invite;
  }
}
