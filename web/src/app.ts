// The dashboard's frame: navigation, the page of the address, who is logged in. Without a session there is only the login.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, query, state } from "lit/decorators.js";

import { asApiError, type ApiError } from "./api/errors";
import { icon, type IconName } from "./elements/icon";
import type { MenuItem } from "./elements/menu";
import "./elements/menu";
import type { Page } from "./elements/page";
import "./elements/problem-box";
import { toastError } from "./elements/toasts";
import "./elements/toasts";
import { diversion, match, navigate, type Route } from "./router";
import { nowhere, routes } from "./routes";
import { chooseTheme, chosenTheme, type Theme } from "./state/theme";
import { permissions, session } from "./state/world";
import { shared } from "./styles/shared";

interface Section {
  section: string;
  href: string;
  label: string;
  symbol: IconName;
  /** What one must be allowed to see it; nothing, if it does not say. */
  permission?: string;
}

const SECTIONS: readonly Section[] = [
  { section: "overview", href: "/", label: "Overview", symbol: "overview" },
  { section: "clusters", href: "/clusters", label: "Clusters", symbol: "cluster" },
  { section: "workloads", href: "/workloads", label: "Workloads", symbol: "workload" },
  { section: "deployments", href: "/deployments", label: "Deployments", symbol: "deployment" },
  { section: "images", href: "/images", label: "Images", symbol: "image" },
  { section: "registry", href: "/registry", label: "Registry", symbol: "store" },
  { section: "external-registries", href: "/external-registries", label: "External registries", symbol: "link", permission: "external-registries.read" },
  { section: "webhooks", href: "/webhooks", label: "Webhooks", symbol: "send", permission: "webhooks.read" },
  { section: "users", href: "/users", label: "Users", symbol: "user", permission: "users.read" },
  { section: "sso", href: "/sso", label: "Single sign-on", symbol: "passkey", permission: "oidc-providers.write" },
  { section: "tokens", href: "/tokens", label: "API tokens", symbol: "key" },
  { section: "settings", href: "/settings", label: "Settings", symbol: "settings", permission: "settings.manage" },
  { section: "keys", href: "/keys", label: "Keys", symbol: "shield", permission: "keys.read" },
  { section: "audit", href: "/audit", label: "Audit log", symbol: "audit", permission: "audit.read" },
];

const THEMES: readonly { value: Theme; label: string; symbol: IconName }[] = [
  { value: "system", label: "As the system", symbol: "screen" },
  { value: "light", label: "Light", symbol: "sun" },
  { value: "dark", label: "Dark", symbol: "moon" },
];

@customElement("cl-app")
export class App extends LitElement {
  @state() private page: TemplateResult | typeof nothing = nothing;
  @state() private section = "";
  /** A door's page stands alone. */
  @state() private door = true;
  @state() private error: ApiError | undefined;
  @state() private theme: Theme = chosenTheme();
  @state() private navOpen = false;
  @query("main") private main!: HTMLElement | null;
  private visit = 0;

  static override styles = [
    shared,
    css`
      :host {
        display: grid;
        grid-template-columns: 208px minmax(0, 1fr);
        min-height: 100vh;
      }
      :host([bare]) {
        grid-template-columns: minmax(0, 1fr);
      }
      .skip {
        position: fixed;
        z-index: 30;
        inset: 8px auto auto 8px;
        transform: translateY(-60px);
      }
      .skip:focus {
        transform: none;
      }
      .side {
        position: sticky;
        top: 0;
        display: flex;
        flex-direction: column;
        gap: var(--gap-4);
        height: 100vh;
        padding: var(--gap-4) var(--gap-3) var(--gap-3);
        border-inline-end: 1px solid var(--line);
        background: var(--surface);
      }
      .brand {
        display: flex;
        align-items: center;
        gap: 9px;
        padding: 0 var(--gap-2);
        color: var(--text);
        font-size: 0.95rem;
        font-weight: 650;
        letter-spacing: -0.01em;
      }
      .brand:hover {
        text-decoration: none;
      }
      .brand span {
        display: grid;
        place-items: center;
        width: 26px;
        height: 26px;
        border-radius: 7px;
        background: var(--accent-fill);
        color: #fff;
      }
      nav {
        flex: 1;
      }
      nav ul {
        display: grid;
        gap: 2px;
      }
      nav a {
        display: flex;
        align-items: center;
        gap: 10px;
        height: 34px;
        padding: 0 10px;
        border-radius: var(--radius);
        color: var(--text-muted);
        font-weight: 500;
      }
      nav a:hover {
        background: var(--hover);
        color: var(--text);
        text-decoration: none;
      }
      nav a[aria-current="page"] {
        background: var(--accent-quiet);
        color: var(--accent);
        font-weight: 600;
      }
      .foot {
        display: flex;
        align-items: center;
        justify-content: space-between;
        gap: var(--gap-2);
        padding-top: var(--gap-3);
        border-top: 1px solid var(--line);
      }
      .who {
        display: grid;
        min-width: 0;
        flex: 1;
        padding: 4px var(--gap-2);
        border-radius: var(--radius);
        color: var(--text);
        line-height: 1.3;
      }
      .who:hover {
        background: var(--hover);
        text-decoration: none;
      }
      .who[aria-current="page"] {
        background: var(--accent-quiet);
      }
      .who strong {
        font-weight: 600;
      }
      .foot .row {
        gap: 0;
      }
      main {
        min-width: 0;
      }
      main:focus {
        outline: none;
      }
      .broken {
        padding: var(--gap-6);
      }
      .menu-button {
        display: none;
      }
      @media (max-width: 820px) {
        :host {
          grid-template-columns: minmax(0, 1fr);
          grid-template-rows: auto 1fr;
        }
        .side {
          z-index: 10;
          flex-direction: row;
          flex-wrap: wrap;
          align-items: center;
          height: auto;
          padding: var(--gap-2) var(--gap-3);
          border-inline-end: 0;
          border-bottom: 1px solid var(--line);
        }
        .menu-button {
          display: inline-flex;
        }
        nav {
          flex: 1 0 100%;
          order: 3;
        }
        nav:not(.open) {
          display: none;
        }
        .foot {
          margin-inline-start: auto;
          padding: 0;
          border: 0;
        }
      }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    addEventListener("navigated", this.navigated);
    session.addEventListener("change", this.sessionChanged);
    void this.show(false);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    removeEventListener("navigated", this.navigated);
    session.removeEventListener("change", this.sessionChanged);
  }

  override render(): TemplateResult {
    const bare = this.door || !session.identity;
    this.toggleAttribute("bare", bare);
    return html`
      ${bare ? nothing : this.renderSide()}
      <main id="main" tabindex="-1">
        ${this.error ? html`<div class="broken"><cl-problem .error=${this.error}></cl-problem></div>` : this.page}
      </main>
      <cl-toasts></cl-toasts>
    `;
  }

  private renderSide(): TemplateResult {
    const { identity } = session;
    const themes: MenuItem[] = THEMES.map((one) => ({ ...one, chosen: one.value === this.theme }));
    const shown = THEMES.find(({ value }) => value === this.theme)?.symbol ?? "screen";
    return html`<header class="side">
      <button type="button" class="skip primary" @click=${() => this.main?.focus()}>Skip to content</button>
      <button type="button" class="quiet icon-only menu-button" aria-label="Navigation" aria-expanded=${this.navOpen} @click=${() => (this.navOpen = !this.navOpen)}>${icon("menu")}</button>
      <a class="brand" href="/" aria-label="Cloudly, overview"><span>${icon("logo", 18)}</span>Cloudly</a>
      <nav aria-label="Main" class=${this.navOpen ? "open" : ""}>
        <ul>
          ${SECTIONS.filter(({ permission }) => permission === undefined || permissions.allows(permission)).map(({ section, href, label, symbol }) => html`<li><a href=${href} aria-current=${section === this.section ? "page" : "false"}>${icon(symbol)}${label}</a></li>`)}
        </ul>
      </nav>
      <div class="foot" role="group" aria-label="Account">
        <a class="who" href="/account" title="Your account" aria-current=${this.section === "account" ? "page" : "false"}><strong class="cut">${identity?.name}</strong><span class="muted small cut">${identity?.roles?.join(", ") ?? ""}</span></a>
        <div class="row">
          <cl-menu compact label="Theme" symbol=${shown} .items=${themes} @chosen=${(event: CustomEvent<Theme>) => this.setTheme(event.detail)}></cl-menu>
          <button type="button" class="quiet icon-only" aria-label="Log out" title="Log out" @click=${this.logout}>${icon("logout")}</button>
        </div>
      </div>
    </header>`;
  }

  /** Shows the page of the present address. */
  private async show(focus: boolean): Promise<void> {
    const visit = ++this.visit;
    const { pathname, search } = location;
    const query = new URLSearchParams(search);
    const { route, params } = match(routes, pathname) ?? { route: nowhere, params: {} };
    const audience = route.audience ?? "member";
    const elsewhere = diversion(audience, session.identity, pathname, query);
    if (elsewhere !== undefined) {
      navigate(elsewhere, "replace");
      return;
    }
    try {
      await Promise.all([route.load(), audience === "member" ? permissions.known() : undefined]);
      if (visit === this.visit) this.enter(route, route.render(params, query));
    } catch (error) {
      // A page's code that does not load: most often the server was updated and the old file is gone.
      if (visit === this.visit) this.error = asApiError(error);
      return;
    }
    if (visit !== this.visit || !focus) return;
    await this.updateComplete;
    await this.focusPage();
  }

  private enter(route: Route, page: TemplateResult): void {
    this.error = undefined;
    this.section = route.section;
    this.door = route.audience !== undefined && route.audience !== "member";
    this.page = page;
    this.navOpen = false;
  }

  private async focusPage(): Promise<void> {
    scrollTo(0, 0);
    const view = this.main?.firstElementChild as LitElement | null;
    await view?.updateComplete;
    const page = view?.renderRoot.querySelector<Page>("cl-page");
    await page?.updateComplete;
    if (page) page.focusHeading();
    else this.main?.focus();
  }

  private setTheme(theme: Theme): void {
    chooseTheme(theme);
    this.theme = theme;
  }

  private async logout(): Promise<void> {
    try {
      await session.logout();
    } catch (error) {
      toastError(error);
    }
  }

  private readonly navigated = (): void => void this.show(true);

  private readonly sessionChanged = (): void => {
    this.requestUpdate();
    void this.show(true);
  };
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-app": App;
  }
}
