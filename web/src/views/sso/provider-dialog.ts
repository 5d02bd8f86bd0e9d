// Makes or changes an identity provider. Knows no backend; gets a callback.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";

import type { OidcProvider, OidcWish } from "../../api/records";
import "../../elements/check-list";
import "../../elements/copy-field";
import "../../elements/dialog";
import type { FormField } from "../../elements/form-field";
import "../../elements/form-field";
import "../../elements/problem-box";
import type { Row, RowColumn } from "../../elements/row-editor";
import "../../elements/row-editor";
import { ROLES } from "../../state/roles";
import { Submission } from "../../state/submission";
import { shared } from "../../styles/shared";
import { draftOf, OPTIONS, wishOf, type Draft } from "./provider-form";

const COLUMNS: readonly RowColumn[] = [
  { key: "group", label: "Group", placeholder: "platform-team", width: "2fr" },
  { key: "role", label: "Role", type: "select", initial: "viewer", choices: ROLES.map(({ value, label }) => ({ value, label })) },
];
/** Fields that show themselves what is wrong with them. */
const TOLD = ["name", "displayName", "issuer", "clientId", "clientSecret", "groupsClaim", "defaultRoles"];
type Text = "name" | "displayName" | "issuer" | "clientId" | "clientSecret" | "scopes" | "groupsClaim" | "emailDomains";

@customElement("cl-oidc-provider-dialog")
export class ProviderDialog extends LitElement {
  /** Where the provider has to send people back to. */
  @property({ attribute: false }) callbackUrl = "";
  @property({ attribute: false }) save!: (provider: OidcProvider | undefined, wish: OidcWish, key: string) => Promise<void>;
  @state() private provider: OidcProvider | undefined;
  @state() private draft: Draft = draftOf(undefined);
  @state() private open = false;
  private readonly sending = new Submission(this);
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

  /** Opens the form: of a new provider, or of one that is there. */
  show(provider: OidcProvider | undefined): void {
    this.provider = provider;
    this.draft = draftOf(provider);
    this.sending.begin();
    this.open = true;
  }

  override render(): TemplateResult {
    const { provider, draft, sending } = this;
    const named = provider?.name ?? "";
    return html`<cl-dialog heading=${provider ? `Identity provider ${named}` : "New identity provider"} width="640px" ?open=${this.open} ?locked=${this.sending.busy} @opened=${() => this.field?.focus()} @closed=${this.closed}>
      <form @submit=${this.submit}>
        ${this.text("name", "Name", "By which logins name it: cloudly login --sso <name>.", { required: true })}
        ${this.text("displayName", "Shown as", "What stands on the button of the login page.")}
        ${this.text("issuer", "Issuer", "Exactly as the provider writes it, such as https://login.example.com/realms/main.", { required: true })}
        ${this.text("clientId", "Client id", "What the provider calls Cloudly.", { required: true })}
        ${this.text("clientSecret", "Client secret", provider?.hasClientSecret ? "One is kept. Type another to replace it." : "Empty for a public client.", { secret: true })}
        <div>
          <p class="muted small">Register at the provider as the address to send people back to:</p>
          <cl-copy label="callback address" .value=${provider?.callbackUrl ?? this.callbackUrl}></cl-copy>
        </div>
        ${this.text("scopes", "Scopes", "Beside openid; profile and email where it is empty.")}
        ${this.text("groupsClaim", "Claim with the groups", "A name or a dotted path, such as realm_access.roles; groups where it is empty.")}
        <cl-rows label="Groups and the roles they give" noun="group" .columns=${COLUMNS} .rows=${draft.mappings} @rows-changed=${(event: CustomEvent<readonly Row[]>) => this.set({ mappings: event.detail })}></cl-rows>
        ${draft.mappings.length > 0 ? html`<p class="muted small">Each login by this provider then gives exactly the roles of the groups and those below; who has none does not come in.</p>` : nothing}
        <cl-checks label="Roles of everybody who comes by it" .choices=${ROLES} .chosen=${draft.defaultRoles} violation=${sending.wrong("defaultRoles")} @chosen-changed=${(event: CustomEvent<readonly string[]>) => this.set({ defaultRoles: event.detail })}></cl-checks>
        ${this.text("emailDomains", "Only e-mail addresses at", "Domains; empty: everybody whom the provider knows.")}
        <cl-checks label="Options" .choices=${OPTIONS} .chosen=${draft.options} @chosen-changed=${(event: CustomEvent<readonly string[]>) => this.set({ options: event.detail })}></cl-checks>
        <cl-problem .error=${sending.elsewhere(TOLD)}>${sending.error?.stale ? html`<p>Somebody else has changed it. Close this, look at what it is now, and try again.</p>` : nothing}</cl-problem>
      </form>
      <button slot="footer" type="button" ?disabled=${this.sending.busy} @click=${() => (this.open = false)}>Cancel</button>
      <button slot="footer" type="button" class="primary" ?disabled=${this.sending.busy} @click=${this.submit}>${this.sending.busy ? "Saving…" : provider ? "Save" : "Create provider"}</button>
    </cl-dialog>`;
  }

  private text(key: Text, label: string, hint: string, how: { required?: boolean; secret?: boolean } = {}): TemplateResult {
    return html`<cl-field
      label=${label}
      hint=${hint}
      type=${how.secret ? "password" : "text"}
      autocomplete=${how.secret ? "new-password" : "off"}
      ?required=${how.required ?? false}
      .value=${this.draft[key]}
      violation=${this.sending.wrong(key)}
      @changed=${(event: CustomEvent<string>) => this.set({ [key]: event.detail })}
    ></cl-field>`;
  }

  private set(changes: Partial<Draft>): void {
    this.draft = { ...this.draft, ...changes };
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    const { provider, draft } = this;
    if (await this.sending.send((key) => this.save(provider, wishOf(draft), key), draft)) this.open = false;
  }

  private closed(): void {
    this.open = false;
    // No secret stays behind in the page.
    this.draft = { ...this.draft, clientSecret: "" };
    this.sending.begin();
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-oidc-provider-dialog": ProviderDialog;
  }
}
