// Logging in by an identity provider: a button for each, and the end of the login when the browser comes back from one.
// Fires `challenge` where a second factor has to follow.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property, state } from "lit/decorators.js";

import { completeOidcLogin, startOidcLogin, type LoginProvider } from "../../api/auth";
import { ApiError, asApiError } from "../../api/errors";
import type { LoginChallenge } from "../../api/records";
import { icon } from "../../elements/icon";
import "../../elements/problem-box";
import { leaveFor, takeCode, takeUnderWay } from "../../state/sso";
import { session } from "../../state/world";
import { shared } from "../../styles/shared";

@customElement("cl-sso-login")
export class SsoLogin extends LitElement {
  /** Nothing else stands above: the divider is drawn here. */
  @property({ type: Boolean }) first = false;
  @property({ attribute: false }) providers: readonly LoginProvider[] = [];
  @state() private busy = "";
  @state() private error: ApiError | undefined;

  static override styles = [
    shared,
    css`
      :host {
        display: grid;
        gap: var(--gap-3);
      }
      .or {
        text-align: center;
        color: var(--text-muted);
        font-size: var(--size-small);
      }
    `,
  ];

  override connectedCallback(): void {
    super.connectedCallback();
    const code = takeCode();
    if (code !== "") void this.complete(code);
  }

  override render(): TemplateResult | typeof nothing {
    this.hidden = this.providers.length === 0 && !this.error && this.busy === "";
    return html`${this.first && this.providers.length > 0 ? html`<div class="or">or</div>` : nothing}
      ${this.providers.map(
        ({ name, displayName }) =>
          html`<button type="button" ?disabled=${this.busy !== ""} @click=${() => this.leave(name)}>${icon("key")} ${this.busy === name ? "Leaving…" : `Log in with ${displayName}`}</button>`,
      )}
      ${this.busy === "complete" ? html`<p role="status" class="muted">Logging in…</p>` : nothing}
      <cl-problem .error=${this.error}></cl-problem>`;
  }

  private async leave(provider: string): Promise<void> {
    this.busy = provider;
    this.error = undefined;
    try {
      leaveFor(await startOidcLogin(provider), new URLSearchParams(location.search).get("next") ?? "");
    } catch (error) {
      this.error = asApiError(error);
      this.busy = "";
    }
  }

  private async complete(code: string): Promise<void> {
    this.busy = "complete";
    try {
      const kept = takeUnderWay();
      if (!kept) throw new ApiError({ title: "This login was begun elsewhere", detail: "It can be completed only in the tab that began it.", action: "Log in again here." });
      // The page one wanted to go to stands in the address, as in every login.
      if (kept.next !== "") history.replaceState(null, "", `/login?${new URLSearchParams({ next: kept.next }).toString()}`);
      const answer = await completeOidcLogin(code, kept.verifier);
      if ("challenge" in answer) this.dispatchEvent(new CustomEvent<LoginChallenge>("challenge", { detail: answer.challenge }));
      else session.enter(answer);
    } catch (error) {
      this.error = worded(asApiError(error));
    } finally {
      this.busy = "";
    }
  }
}

function worded(error: ApiError): ApiError {
  // The catalogue's title and advice speak of permissions; the detail says it all.
  if (error.reason === "PERMISSION_DENIED") return error.reworded({ title: "You cannot log in so", detail: error.detail });
  if (error.reason === "CREDENTIALS_INVALID") return error.reworded({ title: "The login did not work", detail: error.detail });
  return error;
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-sso-login": SsoLogin;
  }
}
