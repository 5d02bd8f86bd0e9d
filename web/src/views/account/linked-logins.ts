// Who one is at identity providers: link one's account to one, or take that back. Completes a linking when the browser comes
// back from the provider.
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";

import { loginOptions, type LoginProvider } from "../../api/auth";
import { ApiError, asApiError } from "../../api/errors";
import type { Factors, OidcIdentity } from "../../api/records";
import { completeOidcLink, listOwnIdentities, startOidcLink, unlinkIdentity } from "../../api/sso";
import type { ConfirmDialog } from "../../elements/confirm-dialog";
import "../../elements/confirm-dialog";
import type { Column } from "../../elements/data-table";
import "../../elements/data-table";
import { icon } from "../../elements/icon";
import "../../elements/problem-box";
import "../../elements/relative-time";
import { toast } from "../../elements/toasts";
import { leaveFor, takeCode, takeUnderWay } from "../../state/sso";
import { client } from "../../state/world";
import { shared } from "../../styles/shared";
import type { Enrolment } from "./enrolment";

@customElement("cl-linked-logins")
export class LinkedLogins extends LitElement {
  /** Undefined until they are known. */
  @property({ attribute: false }) factors: Factors | undefined;
  @property({ attribute: false }) enrolment!: () => Enrolment;
  @state() private identities: readonly OidcIdentity[] = [];
  @state() private providers: readonly LoginProvider[] = [];
  @state() private busy = false;
  @state() private error: ApiError | undefined;
  @query("cl-confirm") private confirm!: ConfirmDialog;

  static override styles = shared;

  override connectedCallback(): void {
    super.connectedCallback();
    void this.begin(takeCode());
  }

  override render(): TemplateResult | typeof nothing {
    this.hidden = this.providers.length === 0 && this.identities.length === 0 && !this.error;
    const linked = new Set(this.identities.map(({ providerName }) => providerName));
    const columns: readonly Column<OidcIdentity>[] = [
      { key: "provider", title: "Provider", width: "minmax(100px, 1fr)", render: ({ providerName, issuer }) => html`<strong class="name">${providerName === "" ? issuer : providerName}</strong>` },
      { key: "email", title: "As", width: "minmax(120px, 2fr)", render: ({ email, subject }) => html`<span class="muted">${email ? email : subject}</span>` },
      { key: "used", title: "Last login", width: "110px", hideBelow: 520, render: ({ lastLoginTime }) => html`<cl-time class="muted" .at=${lastLoginTime}></cl-time>` },
      { key: "actions", title: "", width: "84px", align: "end", render: (identity) => html`<button type="button" class="compact" aria-label="Unlink ${identity.providerName}" @click=${() => void this.askToUnlink(identity)}>Unlink</button>` },
    ];
    return html`<section class="panel" aria-labelledby="linked">
        <header>
          <h2 id="linked">Single sign-on</h2>
          <div class="row wrap">
            ${this.providers
              .filter(({ displayName }) => !linked.has(displayName))
              .map(({ name, displayName }) => html`<button type="button" class="compact" ?disabled=${this.busy || !this.factors} @click=${() => void this.link(name)}>${icon("plus", 13)} Link ${displayName}</button>`)}
          </div>
        </header>
        ${this.identities.length > 0 ? html`<cl-table label="Linked accounts" noun="account" .columns=${columns} .rows=${this.identities}></cl-table>` : html`<p class="body muted">Link your account at a provider, and you log in with it.</p>`}
        <cl-problem .error=${this.error}></cl-problem>
      </section>
      <cl-confirm></cl-confirm>`;
  }

  private async begin(code: string): Promise<void> {
    try {
      if (code !== "") await this.complete(code);
    } catch (error) {
      this.error = asApiError(error);
    }
    await this.read();
  }

  private async complete(code: string): Promise<void> {
    const kept = takeUnderWay();
    if (!kept) throw new ApiError({ title: "This was begun elsewhere", detail: "It can be completed only in the tab that began it.", action: "Link the account again here." });
    const linked = await completeOidcLink(client, code, kept.verifier);
    toast(`Your account is linked to ${linked.email ?? linked.subject ?? ""} at ${linked.providerName ?? ""}.`);
  }

  private async link(provider: string): Promise<void> {
    if (!this.factors) return;
    this.busy = true;
    this.error = undefined;
    try {
      const started = await this.enrolment().proving(this.factors, (proof) => startOidcLink(client, provider, proof));
      if (started) leaveFor(started, "");
      else this.busy = false;
    } catch (error) {
      this.error = asApiError(error);
      this.busy = false;
    }
  }

  private async askToUnlink(identity: OidcIdentity): Promise<void> {
    await this.confirm.ask({
      heading: `Unlink ${identity.providerName ?? "this account"}?`,
      text: "You cannot log in with it any more until you link it again.",
      verb: "Unlink",
      act: async () => {
        await unlinkIdentity(client, identity);
        await this.read();
      },
    });
  }

  private async read(): Promise<void> {
    try {
      const [identities, { providers = [] }] = await Promise.all([listOwnIdentities(client), loginOptions()]);
      this.identities = identities;
      this.providers = providers;
    } catch (error) {
      this.error ??= asApiError(error);
    }
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-linked-logins": LinkedLogins;
  }
}
