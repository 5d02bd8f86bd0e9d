// A new password for oneself.
import { css, html, LitElement, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";

import { changePassword } from "../../api/factors";
import type { FormField } from "../../elements/form-field";
import "../../elements/form-field";
import "../../elements/problem-box";
import { toast } from "../../elements/toasts";
import { client } from "../../state/world";
import { Submission } from "../../state/submission";
import { shared } from "../../styles/shared";
import { PASSWORD_RULES } from "../../text/passwords";

@customElement("cl-password-panel")
export class PasswordPanel extends LitElement {
  /** Whether the account has a password at all. */
  @property({ type: Boolean }) possible = false;
  @state() private mismatch = "";
  private readonly sending = new Submission(this);
  @query("#old") private oldField!: FormField;
  @query("#new") private newField!: FormField;
  @query("#again") private againField!: FormField;

  static override styles = [
    shared,
    css`
      form {
        display: grid;
        gap: var(--gap-4);
        justify-items: start;
        max-width: 420px;
      }
      form > * {
        width: 100%;
      }
      form > button {
        width: auto;
      }
    `,
  ];

  override render(): TemplateResult {
    return html`<section class="panel" aria-labelledby="password">
      <header><h2 id="password">Password</h2></header>
      <div class="body">${this.possible ? this.renderForm() : html`<p class="muted">This account has no password: it logs in elsewhere. An admin can make a link with which you choose one.</p>`}</div>
    </section>`;
  }

  private renderForm(): TemplateResult {
    const { sending } = this;
    return html`<form @submit=${this.submit}>
      <cl-field id="old" label="Present password" type="password" autocomplete="current-password" violation=${sending.wrong("oldPassword")}></cl-field>
      <cl-field id="new" label="New password" type="password" autocomplete="new-password" hint=${PASSWORD_RULES} violation=${sending.wrong("newPassword")}></cl-field>
      <cl-field id="again" label="New password once more" type="password" autocomplete="new-password" violation=${this.mismatch}></cl-field>
      <cl-problem .error=${sending.elsewhere(["oldPassword", "newPassword"])}></cl-problem>
      <p class="muted small">All your other sessions end; this one goes on. API tokens go on working.</p>
      <button type="submit" class="primary" ?disabled=${this.sending.busy}>${this.sending.busy ? "Changing…" : "Change password"}</button>
    </form>`;
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    const { oldField, newField, againField, sending } = this;
    const fields = [oldField, newField, againField];
    const empty = fields.find(({ value }) => value === "");
    if (sending.busy || empty) {
      empty?.focus();
      return;
    }
    sending.begin();
    this.mismatch = newField.value === againField.value ? "" : "is not the same";
    if (this.mismatch !== "") {
      againField.focus();
      return;
    }
    const done = await sending.send(() => changePassword(client, oldField.value, newField.value));
    if (!done) {
      (sending.wrong("oldPassword") === "" ? newField : oldField).focus();
      return;
    }
    for (const field of fields) field.value = "";
    toast("Your password was changed.");
    this.dispatchEvent(new CustomEvent("password-changed"));
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-password-panel": PasswordPanel;
  }
}
