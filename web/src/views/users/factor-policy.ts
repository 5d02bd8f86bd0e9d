// Who must have a second factor: said to whoever reads users, changed by whoever may change them.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, state } from "lit/decorators.js";

import { asApiError } from "../../api/errors";
import { getFactorPolicy, updateFactorPolicy } from "../../api/factors";
import type { FactorPolicy } from "../../api/records";
import "../../elements/check-list";
import "../../elements/dialog";
import type { Choice } from "../../elements/form-field";
import "../../elements/form-field";
import { icon } from "../../elements/icon";
import "../../elements/problem-box";
import { toast } from "../../elements/toasts";
import { Polled } from "../../state/polled";
import { ROLES } from "../../state/roles";
import { client, permissions } from "../../state/world";
import { Submission } from "../../state/submission";
import { shared } from "../../styles/shared";

type Reach = "nobody" | "roles" | "everybody";

const REACHES: readonly (Choice & { value: Reach })[] = [
  { value: "nobody", label: "Nobody; everybody may" },
  { value: "roles", label: "Whoever has one of some roles" },
  { value: "everybody", label: "Everybody" },
];

@customElement("cl-factor-policy")
export class FactorPolicyPanel extends LitElement {
  private readonly policy = new Polled<FactorPolicy>(this, (signal) => getFactorPolicy(client, signal));
  @state() private editing: FactorPolicy | undefined;
  @state() private open = false;
  @state() private reach: Reach = "nobody";
  @state() private roles: readonly string[] = [];
  private readonly sending = new Submission(this);

  static override styles = [
    shared,
    css`
      .policy {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: var(--gap-2) var(--gap-3);
        padding: var(--gap-3) var(--gap-4);
      }
      .policy > svg {
        color: var(--text-muted);
      }
      .policy p {
        flex: 1 1 240px;
      }
      form {
        display: grid;
        gap: var(--gap-4);
      }
    `,
  ];

  override render(): TemplateResult {
    const { value, error } = this.policy;
    if (!value) return html`<cl-problem .error=${error}></cl-problem>`;
    return html`<section class="panel policy" aria-label="Second factors">
        ${icon("shield", 18)}
        <p>${said(value)}</p>
        ${permissions.allows("users.write") ? html`<button type="button" @click=${() => this.edit(value)}>Change<span class="visually-hidden"> who must have a second factor</span></button>` : nothing}
      </section>
      ${this.renderDialog()}`;
  }

  private renderDialog(): TemplateResult {
    const wrong = this.sending.wrong("policy.requiredRoles");
    return html`<cl-dialog heading="Who must have a second factor?" ?open=${this.open} ?locked=${this.sending.busy} @closed=${() => (this.open = false)}>
      <form @submit=${this.submit}>
        <cl-field label="Required of" type="select" .choices=${REACHES} .value=${this.reach} @changed=${(event: CustomEvent<Reach>) => (this.reach = event.detail)}></cl-field>
        ${this.reach === "roles"
          ? html`<cl-checks label="Roles" .choices=${ROLES} .chosen=${this.roles} violation=${wrong} @chosen-changed=${(event: CustomEvent<readonly string[]>) => (this.roles = event.detail)}></cl-checks>`
          : nothing}
        <p class="muted small">Whoever must have one and has none is led through setting one up: at the next login, and where they are logged in within ten minutes. Machines and API tokens are not asked.</p>
        <cl-problem .error=${this.sending.elsewhere(["policy.requiredRoles"])}></cl-problem>
      </form>
      <button slot="footer" type="button" ?disabled=${this.sending.busy} @click=${() => (this.open = false)}>Cancel</button>
      <button slot="footer" type="button" class="primary" ?disabled=${this.sending.busy} @click=${this.submit}>${this.sending.busy ? "Saving…" : "Save"}</button>
    </cl-dialog>`;
  }

  private edit(policy: FactorPolicy): void {
    this.fill(policy);
    this.sending.begin();
    this.open = true;
  }

  private fill(policy: FactorPolicy): void {
    this.editing = policy;
    this.roles = policy.requiredRoles ?? [];
    this.reach = policy.requiredForAll ? "everybody" : this.roles.length > 0 ? "roles" : "nobody";
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    const { editing, reach } = this;
    if (!editing) return;
    const wish = { requiredForAll: reach === "everybody", requiredRoles: reach === "roles" ? [...this.roles] : [] };
    const done = await this.sending.send(async () => {
      try {
        toast(said(await updateFactorPolicy(client, editing, wish)));
      } catch (error) {
        // Somebody else has changed it: what is shown and saved next goes on from what it is now.
        if (asApiError(error).stale) {
          await this.policy.read();
          this.fill(this.policy.value ?? editing);
        }
        throw error;
      }
      await this.policy.read();
    });
    if (done) this.open = false;
  }
}

function said({ requiredForAll, requiredRoles = [] }: FactorPolicy): string {
  if (requiredForAll) return "Everybody must have a second factor.";
  if (requiredRoles.length === 0) return "Nobody must have a second factor; everybody may set one up.";
  return `Whoever is ${requiredRoles.join(" or ")} must have a second factor.`;
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-factor-policy": FactorPolicyPanel;
  }
}
