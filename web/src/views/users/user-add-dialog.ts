// Adds somebody: with a password, or by a link with which they choose their own. Knows no backend; gets callbacks.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";

import { newKey } from "../../api/client";
import { asApiError, type ApiError } from "../../api/errors";
import type { IssuedLink } from "../../api/records";
import "../../elements/check-list";
import "../../elements/dialog";
import type { FormField } from "../../elements/form-field";
import "../../elements/form-field";
import "../../elements/problem-box";
import { ROLES } from "../../state/roles";
import { shared } from "../../styles/shared";
import { PASSWORD_RULES } from "../../text/passwords";
import "./one-time-link";

type Way = "create" | "invite";

@customElement("cl-user-add-dialog")
export class UserAddDialog extends LitElement {
  /** Makes the user; the key makes a repeated attempt the same one. */
  @property({ attribute: false }) create!: (name: string, roles: readonly string[], password: string, key: string) => Promise<void>;
  /** Makes the link, likewise. */
  @property({ attribute: false }) invite!: (name: string, roles: readonly string[], email: string, key: string) => Promise<IssuedLink>;
  @state() private open = false;
  @state() private way: Way = "create";
  @state() private name = "";
  @state() private roles: readonly string[] = [];
  @state() private password = "";
  @state() private email = "";
  @state() private busy = false;
  @state() private error: ApiError | undefined;
  @state() private issued: IssuedLink | undefined;
  @query("cl-field") private field!: FormField | null;
  private key = "";

  static override styles = [
    shared,
    css`
      form {
        display: grid;
        gap: var(--gap-4);
      }
    `,
  ];

  show(way: Way): void {
    this.way = way;
    this.name = "";
    this.roles = ["viewer"];
    this.email = "";
    this.error = undefined;
    this.key = newKey();
    this.open = true;
  }

  override render(): TemplateResult {
    const { issued, way } = this;
    return html`<cl-dialog
      heading=${issued ? `Link for ${issued.invitation.name}` : way === "invite" ? "Invite somebody" : "New user"}
      ?open=${this.open}
      ?locked=${this.busy}
      @opened=${() => this.field?.focus()}
      @closed=${this.closed}
    >
      ${issued
        ? html`<cl-one-time-link .issued=${issued}></cl-one-time-link>
            <button slot="footer" type="button" class="primary" @click=${() => (this.open = false)}>Done</button>`
        : this.renderForm()}
    </cl-dialog>`;
  }

  private renderForm(): TemplateResult {
    const invites = this.way === "invite";
    const wrong = (field: string): string => this.error?.violations.get(field) ?? "";
    const told = ["name", "roles", invites ? "email" : "password"].some((field) => wrong(field) !== "");
    const verb = invites ? "Make link" : "Create user";
    return html`<form @submit=${this.submit}>
        <cl-field label="Name" required hint="The login name." .value=${this.name} violation=${wrong("name")} @changed=${(event: CustomEvent<string>) => (this.name = event.detail)}></cl-field>
        <cl-checks label="Roles" .choices=${ROLES} .chosen=${this.roles} violation=${wrong("roles")} @chosen-changed=${(event: CustomEvent<readonly string[]>) => (this.roles = event.detail)}></cl-checks>
        ${invites
          ? html`<cl-field label="E-mail address" hint="Optional. Where a mail server is set up, the link is mailed there." .value=${this.email} violation=${wrong("email")} @changed=${(event: CustomEvent<string>) => (this.email = event.detail)}></cl-field>`
          : html`<cl-field label="Password" type="password" required autocomplete="new-password" hint=${PASSWORD_RULES} .value=${this.password} violation=${wrong("password")} @changed=${(event: CustomEvent<string>) => (this.password = event.detail)}></cl-field>`}
        ${told ? nothing : html`<cl-problem .error=${this.error}></cl-problem>`}
      </form>
      <button slot="footer" type="button" ?disabled=${this.busy} @click=${() => (this.open = false)}>Cancel</button>
      <button slot="footer" type="button" class="primary" ?disabled=${this.busy} @click=${this.submit}>${this.busy ? "Working…" : verb}</button>`;
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    if (this.busy) return;
    this.busy = true;
    this.error = undefined;
    try {
      if (this.way === "invite") {
        this.issued = await this.invite(this.name.trim(), this.roles, this.email.trim(), this.key);
      } else {
        await this.create(this.name.trim(), this.roles, this.password, this.key);
        this.open = false;
      }
    } catch (error) {
      this.error = asApiError(error);
      // What was refused may be corrected and sent anew: another wish, another key. What got no answer keeps its key.
      if (this.error.status !== 0) this.key = newKey();
    } finally {
      this.busy = false;
    }
  }

  private closed(): void {
    this.open = false;
    // Neither secret stays behind in the page.
    this.issued = undefined;
    this.password = "";
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-user-add-dialog": UserAddDialog;
  }
}
