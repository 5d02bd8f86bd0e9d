// Changes a user's roles. Knows no backend; gets a callback.
import { css, html, LitElement, type TemplateResult } from "lit";
import { customElement, property, state } from "lit/decorators.js";

import { asApiError, type ApiError } from "../../api/errors";
import type { User } from "../../api/records";
import "../../elements/check-list";
import "../../elements/dialog";
import "../../elements/problem-box";
import { ROLES } from "../../state/roles";
import { shared } from "../../styles/shared";

@customElement("cl-roles-dialog")
export class RolesDialog extends LitElement {
  @property({ attribute: false }) save!: (user: User, roles: readonly string[]) => Promise<void>;
  @state() private user: User | undefined;
  @state() private open = false;
  @state() private roles: readonly string[] = [];
  @state() private busy = false;
  @state() private error: ApiError | undefined;

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
    this.error = undefined;
    this.open = true;
  }

  override render(): TemplateResult {
    return html`<cl-dialog heading="Roles of ${this.user?.name ?? ""}" ?open=${this.open} ?locked=${this.busy} @closed=${() => (this.open = false)}>
      <form @submit=${this.submit}>
        <cl-checks label="Roles" .choices=${ROLES} .chosen=${this.roles} violation=${this.error?.violations.get("roles") ?? ""} @chosen-changed=${(event: CustomEvent<readonly string[]>) => (this.roles = event.detail)}></cl-checks>
        <p class="muted small">Taking a role away logs the user out everywhere.</p>
        <cl-problem .error=${this.error?.violations.has("roles") ? undefined : this.error}></cl-problem>
      </form>
      <button slot="footer" type="button" ?disabled=${this.busy} @click=${() => (this.open = false)}>Cancel</button>
      <button slot="footer" type="button" class="primary" ?disabled=${this.busy} @click=${this.submit}>${this.busy ? "Saving…" : "Save roles"}</button>
    </cl-dialog>`;
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    if (this.busy || !this.user) return;
    this.busy = true;
    this.error = undefined;
    try {
      await this.save(this.user, this.roles);
      this.open = false;
    } catch (error) {
      this.error = asApiError(error);
    } finally {
      this.busy = false;
    }
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-roles-dialog": RolesDialog;
  }
}
