// Adds somebody: with a password, or by a link with which they choose their own. Knows no backend; gets callbacks.
import { css, html, LitElement, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";

import type { IssuedLink } from "../../api/records";
import "../../elements/check-list";
import "../../elements/dialog";
import type { FormField } from "../../elements/form-field";
import "../../elements/form-field";
import "../../elements/problem-box";
import { ROLES } from "../../state/roles";
import { Submission } from "../../state/submission";
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
  private readonly sending = new Submission(this);
  @state() private issued: IssuedLink | undefined;
  @query("cl-field") private field!: FormField | null;

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
    this.sending.begin();
    this.open = true;
  }

  override render(): TemplateResult {
    const { issued, way } = this;
    return html`<cl-dialog
      heading=${issued ? `Link for ${issued.invitation.name}` : way === "invite" ? "Invite somebody" : "New user"}
      ?open=${this.open}
      ?locked=${this.sending.busy}
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
    const wrong = (field: string): string => this.sending.wrong(field);
    const verb = invites ? "Make link" : "Create user";
    return html`<form @submit=${this.submit}>
        <cl-field label="Name" required hint="The login name." .value=${this.name} violation=${wrong("name")} @changed=${(event: CustomEvent<string>) => (this.name = event.detail)}></cl-field>
        <cl-checks label="Roles" .choices=${ROLES} .chosen=${this.roles} violation=${wrong("roles")} @chosen-changed=${(event: CustomEvent<readonly string[]>) => (this.roles = event.detail)}></cl-checks>
        ${invites
          ? html`<cl-field label="E-mail address" hint="Optional. Where a mail server is set up, the link is mailed there." .value=${this.email} violation=${wrong("email")} @changed=${(event: CustomEvent<string>) => (this.email = event.detail)}></cl-field>`
          : html`<cl-field label="Password" type="password" required autocomplete="new-password" hint=${PASSWORD_RULES} .value=${this.password} violation=${wrong("password")} @changed=${(event: CustomEvent<string>) => (this.password = event.detail)}></cl-field>`}
        <cl-problem .error=${this.sending.elsewhere(["name", "roles", invites ? "email" : "password"])}></cl-problem>
      </form>
      <button slot="footer" type="button" ?disabled=${this.sending.busy} @click=${() => (this.open = false)}>Cancel</button>
      <button slot="footer" type="button" class="primary" ?disabled=${this.sending.busy} @click=${this.submit}>${this.sending.busy ? "Working…" : verb}</button>`;
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    const { way, roles, password } = this;
    const name = this.name.trim();
    const email = this.email.trim();
    await this.sending.send(
      async (key) => {
        if (way === "invite") {
          this.issued = await this.invite(name, roles, email, key);
        } else {
          await this.create(name, roles, password, key);
          this.open = false;
        }
      },
      { way, name, roles, email, password },
    );
  }

  private closed(): void {
    this.open = false;
    // Neither secret stays behind in the page.
    this.issued = undefined;
    this.password = "";
    this.sending.begin();
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-user-add-dialog": UserAddDialog;
  }
}
