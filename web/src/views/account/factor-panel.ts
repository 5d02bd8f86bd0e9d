// What logins ask for beyond the password: the authenticator app, passkeys, recovery codes.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property } from "lit/decorators.js";

import { regenerateRecoveryCodes, removePasskey, removeTotp, renamePasskey } from "../../api/factors";
import type { Factors, Passkey, Proof } from "../../api/records";
import { icon, type IconName } from "../../elements/icon";
import "../../elements/relative-time";
import "../../elements/status-pill";
import { toast } from "../../elements/toasts";
import { passkeysWork } from "../../state/passkeys";
import type { Standing } from "../../state/standing";
import { client } from "../../state/world";
import { shared } from "../../styles/shared";
import { count } from "../../text/format";
import type { Enrolment } from "./enrolment";
import { rows } from "./rows";

/** From so many on it is time for new ones. */
const FEW_CODES = 3;

@customElement("cl-factor-panel")
export class FactorPanel extends LitElement {
  @property({ attribute: false }) factors!: Factors;
  @property({ attribute: false }) enrolment!: () => Enrolment;

  static override styles = [
    shared,
    rows,
    css`
      .factor {
        display: grid;
        grid-template-columns: 32px minmax(0, 1fr) auto;
        gap: 2px var(--gap-3);
        align-items: center;
        padding: var(--gap-4);
      }
      .factor + .factor {
        border-top: 1px solid var(--line);
      }
      .symbol {
        display: grid;
        place-items: center;
        align-self: start;
        width: 32px;
        height: 32px;
        border-radius: var(--radius);
        background: var(--sunken);
        color: var(--text-muted);
      }
      .actions {
        display: flex;
        flex-wrap: wrap;
        justify-content: flex-end;
        gap: var(--gap-2);
      }
      .below {
        grid-column: 2 / -1;
        margin-top: var(--gap-3);
        border: 1px solid var(--line);
        border-radius: var(--radius);
      }
      h3 {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 4px var(--gap-2);
      }
      @media (max-width: 560px) {
        .factor {
          grid-template-columns: 32px minmax(0, 1fr);
        }
        .factor > .actions {
          grid-column: 2;
          justify-content: flex-start;
          margin-top: var(--gap-2);
        }
      }
    `,
  ];

  override render(): TemplateResult {
    const { totp, passkeys = [], required } = this.factors;
    const enrolled = (totp ?? false) || passkeys.length > 0;
    const standing: Standing = enrolled ? { tone: "ok", label: "On" } : required ? { tone: "warn", label: "Required" } : { tone: "idle", label: "Off" };
    return html`<section class="panel" aria-labelledby="factors">
        <header><h2 id="factors">Second factors</h2><cl-status .standing=${standing}></cl-status></header>
        ${this.renderTotp()} ${this.renderPasskeys()} ${enrolled ? this.renderCodes() : nothing}
      </section>`;
  }

  private renderTotp(): TemplateResult {
    const { totp, totpCreateTime } = this.factors;
    return this.renderFactor(
      "phone",
      html`Authenticator app`,
      totp ? html`Logins ask for a code of it. Set up <cl-time .at=${totpCreateTime}></cl-time>.` : "An app on your phone makes a new code every half minute.",
      totp
        ? html`<button type="button" @click=${this.askToRemoveTotp}>Remove<span class="visually-hidden"> authenticator app</span></button>`
        : html`<button type="button" @click=${() => this.enrolment().addTotp(this.factors)}>Set up<span class="visually-hidden"> authenticator app</span></button>`,
    );
  }

  private renderPasskeys(): TemplateResult {
    const { passkeys = [], passkeysPossible } = this.factors;
    const possible = (passkeysPossible ?? false) && passkeysWork();
    const about = possible
      ? "Log in by fingerprint, face, PIN or security key; no password is needed."
      : "Passkeys need Cloudly at a domain name with HTTPS, or at localhost, and a browser that knows them.";
    return this.renderFactor(
      "passkey",
      html`Passkeys`,
      about,
      possible ? html`<button type="button" @click=${() => this.enrolment().addPasskey(this.factors)}>Add<span class="visually-hidden"> passkey</span></button>` : nothing,
      passkeys.length > 0 ? html`<ul class="below rows" aria-label="Passkeys">${passkeys.map((passkey) => this.renderPasskey(passkey))}</ul>` : nothing,
    );
  }

  private renderPasskey(passkey: Passkey): TemplateResult {
    const { name, createTime, lastUseTime, backedUp } = passkey;
    return html`<li>
      <div class="what">
        <strong>${name}</strong>
        <p class="muted small">Added <cl-time .at=${createTime}></cl-time>${lastUseTime ? html`, last used <cl-time .at=${lastUseTime}></cl-time>` : ", not used yet"}${backedUp ? ", shared between your devices" : ""}</p>
      </div>
      <div class="actions">
        <button type="button" class="compact" aria-label="Rename passkey ${name}" @click=${() => this.rename(passkey)}>Rename</button>
        <button type="button" class="compact" aria-label="Remove passkey ${name}" @click=${() => this.askToRemovePasskey(passkey)}>Remove</button>
      </div>
    </li>`;
  }

  private renderCodes(): TemplateResult {
    const left = this.factors.recoveryCodesLeft ?? 0;
    const few = left <= FEW_CODES;
    return this.renderFactor(
      "shield",
      html`Recovery codes <cl-status .standing=${{ tone: few ? "warn" : "ok", label: `${count(left, "code")} left` }}></cl-status>`,
      few ? "Make new ones before they run out: they log you in when your other factors are lost." : "They log you in when your other factors are lost.",
      html`<button type="button" @click=${this.askForNewCodes}>Make new ones<span class="visually-hidden"> (recovery codes)</span></button>`,
    );
  }

  private renderFactor(symbol: IconName, heading: TemplateResult, about: unknown, actions: unknown, below: unknown = nothing): TemplateResult {
    return html`<div class="factor">
      <span class="symbol">${icon(symbol, 18)}</span>
      <div>
        <h3>${heading}</h3>
        <p class="muted">${about}</p>
      </div>
      <div class="actions">${actions}</div>
      ${below}
    </div>`;
  }

  private rename(passkey: Passkey): void {
    this.enrolment().name({
      heading: "Rename passkey",
      name: passkey.name,
      verb: "Rename",
      act: async (name) => {
        await renamePasskey(client, passkey, name);
        this.tell();
      },
    });
  }

  private async askToRemoveTotp(): Promise<void> {
    await this.enrolment().prove(this.factors, {
      heading: "Remove the authenticator app?",
      text: `Its codes are not accepted any more. ${this.consequence((this.factors.passkeys ?? []).length)}`,
      verb: "Remove app",
      act: async (proof) => {
        await removeTotp(client, proof);
        this.tell("The authenticator app was removed.");
      },
    });
  }

  private async askToRemovePasskey(passkey: Passkey): Promise<void> {
    const { totp, passkeys = [] } = this.factors;
    await this.enrolment().prove(this.factors, {
      heading: `Remove passkey ${passkey.name}?`,
      text: `It does not log you in any more; delete it on the device, too. ${this.consequence((totp ? 1 : 0) + passkeys.length - 1)}`,
      verb: "Remove passkey",
      act: async (proof) => {
        await removePasskey(client, passkey, proof);
        this.tell(`The passkey ${passkey.name} was removed.`);
      },
    });
  }

  private async askForNewCodes(): Promise<void> {
    let codes: readonly string[] = [];
    const done = await this.enrolment().prove(this.factors, {
      heading: "Make new recovery codes?",
      text: "You get ten new ones. Those you have now are void from then on.",
      verb: "Make new codes",
      danger: false,
      act: async (proof: Proof) => {
        codes = await regenerateRecoveryCodes(client, proof);
        this.tell();
      },
    });
    if (done) await this.enrolment().showCodes(codes);
  }

  /** What removing a factor means, by how many are left. */
  private consequence(left: number): string {
    if (left > 0) return "Your other second factors stay.";
    const open = "It is your last second factor: your recovery codes go with it";
    return this.factors.required ? `${open}, and you have to set up another before you can go on.` : `${open}, and logins ask for the password only.`;
  }

  private tell(news = ""): void {
    if (news !== "") toast(news);
    this.dispatchEvent(new CustomEvent("factors-changed"));
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-factor-panel": FactorPanel;
  }
}
