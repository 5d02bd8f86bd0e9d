// By which identity providers people may log in, and whether they work.
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, query, state } from "lit/decorators.js";

import { asApiError, type ApiError } from "../../api/errors";
import type { OidcProvider, OidcReport, OidcWish } from "../../api/records";
import { createOidcProvider, deleteOidcProvider, listOidcProviders, testOidcProvider, updateOidcProvider } from "../../api/sso";
import type { ConfirmDialog } from "../../elements/confirm-dialog";
import "../../elements/confirm-dialog";
import type { Column } from "../../elements/data-table";
import "../../elements/data-table";
import "../../elements/dialog";
import "../../elements/empty-state";
import { icon } from "../../elements/icon";
import type { MenuItem } from "../../elements/menu";
import "../../elements/menu";
import "../../elements/page";
import "../../elements/problem-box";
import "../../elements/status-pill";
import { toast, toastError } from "../../elements/toasts";
import { client, permissions } from "../../state/world";
import { shared } from "../../styles/shared";
import type { ProviderDialog } from "./provider-dialog";
import "./provider-dialog";

type Action = "edit" | "test" | "delete";

const ACTIONS: readonly MenuItem[] = [
  { value: "edit", label: "Edit", symbol: "edit" },
  { value: "test", label: "Test", symbol: "check" },
  { value: "delete", label: "Delete", symbol: "trash", danger: true },
];
const CLIENT = {
  OIDC_CLIENT_CHECK_UNSPECIFIED: "",
  OIDC_CLIENT_CHECK_ACCEPTED: "The provider takes the client id and secret.",
  OIDC_CLIENT_CHECK_REFUSED: "The provider does not take the client id or secret.",
  OIDC_CLIENT_CHECK_UNKNOWN: "Whether it takes the client is not known.",
} as const;

@customElement("cl-oidc-provider-list")
export class ProviderList extends LitElement {
  @state() private providers: OidcProvider[] | undefined;
  @state() private error: ApiError | undefined;
  @state() private tested: { provider: OidcProvider; report: OidcReport } | undefined;
  @query("cl-confirm") private confirm!: ConfirmDialog;
  @query("cl-oidc-provider-dialog") private form!: ProviderDialog;

  static override styles = shared;

  override connectedCallback(): void {
    super.connectedCallback();
    void this.read();
  }

  override render(): TemplateResult {
    const writes = permissions.allows("oidc-providers.write");
    const { tested } = this;
    return html`<cl-page heading="Single sign-on">
        ${writes ? html`<button slot="actions" type="button" class="primary" @click=${() => this.form.show(undefined)}>${icon("plus")} New provider</button>` : nothing}
        <div class="stack">
          <cl-problem .error=${this.error}></cl-problem>
          ${this.renderProviders(writes)}
        </div>
      </cl-page>
      <cl-confirm></cl-confirm>
      <cl-oidc-provider-dialog
        .callbackUrl=${`${location.origin}/auth/oidc/callback`}
        .save=${(provider: OidcProvider | undefined, wish: OidcWish, key: string) => this.save(provider, wish, key)}
      ></cl-oidc-provider-dialog>
      <cl-dialog heading="Test of ${tested?.provider.name ?? ""}" ?open=${tested !== undefined} @closed=${() => (this.tested = undefined)}>
        ${tested ? renderReport(tested.report) : nothing}
        <button slot="footer" type="button" class="primary" @click=${() => (this.tested = undefined)}>Done</button>
      </cl-dialog>`;
  }

  private renderProviders(writes: boolean): TemplateResult {
    if (!this.providers) return html`<div class="panel" ?hidden=${this.error !== undefined}><cl-empty symbol="wait" heading="Reading providers…"></cl-empty></div>`;
    if (this.providers.length === 0) {
      return html`<div class="panel"><cl-empty symbol="key" heading="No identity provider yet">
        <p>With one (Keycloak, Entra ID, Okta, Google and all others that speak OpenID Connect) people log in with the account they have, and their groups there give them roles here.</p>
      </cl-empty></div>`;
    }
    const actions: Column<OidcProvider> = {
      key: "actions",
      title: "",
      width: "40px",
      align: "end",
      render: (provider) => html`<cl-menu compact label="Actions on ${provider.name}" symbol="menu" .items=${ACTIONS} @chosen=${(event: CustomEvent<string>) => void this.act(provider, event.detail as Action)}></cl-menu>`,
    };
    return html`<div class="panel">
      <cl-table label="Identity providers" noun="provider" .columns=${writes ? [...COLUMNS, actions] : COLUMNS} .rows=${this.providers} .order=${{ key: "name", descending: false }}></cl-table>
    </div>`;
  }

  private async act(provider: OidcProvider, action: Action): Promise<void> {
    if (action === "edit") this.form.show(provider);
    else if (action === "test") await this.test(provider);
    else await this.askToDelete(provider);
  }

  private async save(provider: OidcProvider | undefined, wish: OidcWish, key: string): Promise<void> {
    const saved = await (provider ? updateOidcProvider(client, provider, wish) : createOidcProvider(client, wish, key));
    toast(`Identity provider ${saved.name} was saved.`);
    await this.read();
    // Whether it works is what one wants to know next.
    await this.test(saved);
  }

  private async test(provider: OidcProvider): Promise<void> {
    try {
      this.tested = { provider, report: await testOidcProvider(client, provider) };
    } catch (error) {
      toastError(error);
    }
  }

  private async askToDelete(provider: OidcProvider): Promise<void> {
    await this.confirm.ask({
      heading: `Delete identity provider ${provider.name}?`,
      text: "Nobody logs in by it any more; who has no password then needs a reset link. Users and their sessions stay. To close it for a while, disable it.",
      dies: [`The provider ${provider.name} with its client secret and its groups`],
      verb: "Delete provider",
      typed: provider.name,
      act: async () => {
        await deleteOidcProvider(client, provider);
        toast(`Identity provider ${provider.name} was deleted.`);
        await this.read();
      },
    });
  }

  private async read(): Promise<void> {
    try {
      this.providers = await listOidcProviders(client);
      this.error = undefined;
    } catch (error) {
      this.error = asApiError(error);
    }
  }
}

const COLUMNS: readonly Column<OidcProvider>[] = [
  { key: "name", title: "Name", width: "minmax(100px, 1fr)", sort: ({ name }) => name, render: ({ name }) => html`<strong class="name">${name}</strong>` },
  { key: "state", title: "State", width: "110px", render: (provider) => html`<cl-status .standing=${provider.disabled ? { tone: "idle", label: "Disabled" } : { tone: "ok", label: "Enabled" }}></cl-status>` },
  { key: "issuer", title: "Issuer", width: "minmax(160px, 3fr)", hideBelow: 560, sort: ({ issuer }) => issuer, render: ({ issuer }) => html`<span class="muted">${issuer}</span>` },
  { key: "who", title: "Who comes in", width: "minmax(140px, 2fr)", hideBelow: 760, render: whoComesIn },
];

function whoComesIn({ autoCreate, roleMappings = [], defaultRoles = [] }: OidcProvider): string {
  if (!autoCreate) return "Who has linked their account";
  return roleMappings.length > 0 ? "Who is in a mapped group" : `Everybody, as ${defaultRoles.join(", ")}`;
}

function renderReport(report: OidcReport): TemplateResult {
  const { problems = [], algorithms = [] } = report;
  return html`<div class="stack">
    <cl-status .standing=${report.working ? { tone: "ok", label: "Nothing stands in the way of a login" } : { tone: "bad", label: "Logins will not work" }}></cl-status>
    ${problems.length > 0 ? html`<ul>${problems.map((problem) => html`<li>${problem}</li>`)}</ul>` : nothing}
    <p>${CLIENT[report.client ?? "OIDC_CLIENT_CHECK_UNSPECIFIED"]}</p>
    <dl class="facts">
      ${(
        [
          ["Log in at", report.authorizationEndpoint],
          ["Tokens", report.tokenEndpoint],
          ["Keys", report.jwksUri],
          ["Algorithms", algorithms.join(", ")],
        ] as const
      ).map(([term, said]) => (said ? html`<dt>${term}</dt><dd>${said}</dd>` : nothing))}
    </dl>
  </div>`;
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-oidc-provider-list": ProviderList;
  }
}
