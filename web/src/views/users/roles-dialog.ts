// Changes a user's roles. Knows no backend; gets a callback.
import { css, html, LitElement, type TemplateResult } from "lit";
import { customElement, property, state } from "lit/decorators.js";

import type { User } from "../../api/records";
import "../../elements/check-list";
import "../../elements/dialog";
import "../../elements/problem-box";
import { ROLES } from "../../state/roles";
import { Submission } from "../../state/submission";
import { shared } from "../../styles/shared";

@customElement("cl-roles-dialog")
export class RolesDialog extends LitElement {
  @property({ attribute: false }) save!: (user: User, roles: readonly string[]) => Promise<void>;
  @state() private user: User | undefined;
  @state() private open = false;
  @state() private roles: readonly string[] = [];
  private readonly sending = new Submission(this);

  static override styles = [
    shared,
    css`
      form {
        display: grid;
        gap: var(--gap-4);
      }
    `,
  ];

  show(user: User): void {
    this.user = user;
    this.roles = user.roles ?? [];
    this.sending.begin();
    this.open = true;
  }

  override render(): TemplateResult {
    return html`<cl-dialog heading="Roles of ${this.user?.name ?? ""}" ?open=${this.open} ?locked=${this.sending.busy} @closed=${() => (this.open = false)}>
      <form @submit=${this.submit}>
        <cl-checks label="Roles" .choices=${ROLES} .chosen=${this.roles} violation=${this.sending.wrong("roles")} @chosen-changed=${(event: CustomEvent<readonly string[]>) => (this.roles = event.detail)}></cl-checks>
        <p class="muted small">Taking a role away logs the user out everywhere.</p>
        <cl-problem .error=${this.sending.elsewhere(["roles"])}></cl-problem>
      </form>
      <button slot="footer" type="button" ?disabled=${this.sending.busy} @click=${() => (this.open = false)}>Cancel</button>
      <button slot="footer" type="button" class="primary" ?disabled=${this.sending.busy} @click=${this.submit}>${this.sending.busy ? "Saving…" : "Save roles"}</button>
    </cl-dialog>`;
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    const { user, roles } = this;
    if (user && (await this.sending.send(() => this.save(user, roles)))) this.open = false;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-roles-dialog": RolesDialog;
  }
}
