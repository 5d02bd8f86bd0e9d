// Sets up an authenticator app: its secret as a QR code and as text, then the code that shows that the app has it.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";

import type { TotpSecret } from "../../api/records";
import "../../elements/copy-field";
import "../../elements/dialog";
import type { FormField } from "../../elements/form-field";
import "../../elements/form-field";
import "../../elements/problem-box";
import "../../elements/qr-code";
import { Submission } from "../../state/submission";
import { shared } from "../../styles/shared";
import { grouped } from "../../text/format";

@customElement("cl-totp-dialog")
export class TotpDialog extends LitElement {
  /** Has the secret count from now on. */
  @property({ attribute: false }) confirm!: (code: string) => Promise<void>;
  @state() private secret: TotpSecret | undefined;
  @state() private open = false;
  private readonly sending = new Submission(this);
  @query("cl-field") private field!: FormField | null;

  static override styles = [
    shared,
    css`
      ol {
        display: grid;
        gap: var(--gap-4);
        counter-reset: step;
      }
      li {
        display: grid;
        grid-template-columns: 24px minmax(0, 1fr);
        gap: var(--gap-3);
        counter-increment: step;
      }
      li::before {
        content: counter(step);
        display: grid;
        place-items: center;
        width: 24px;
        height: 24px;
        border-radius: 50%;
        background: var(--accent-quiet);
        color: var(--accent);
        font-size: var(--size-small);
        font-weight: 600;
      }
      li > div {
        display: grid;
        justify-items: start;
        gap: var(--gap-3);
        padding-top: 2px;
      }
      li cl-copy {
        width: 100%;
      }
      cl-qr {
        border: 1px solid var(--line);
        border-radius: var(--radius);
      }
      cl-field {
        width: min(240px, 100%);
      }
      cl-problem {
        width: 100%;
      }
    `,
  ];

  show(secret: TotpSecret): void {
    this.secret = secret;
    this.sending.begin();
    this.open = true;
  }

  override render(): TemplateResult {
    const { secret } = this;
    return html`<cl-dialog heading="Set up an authenticator app" ?open=${this.open} ?locked=${this.sending.busy} @opened=${() => this.field?.focus()} @closed=${this.closed}>
      ${secret
        ? html`<form @submit=${this.submit}>
            <ol>
              <li>
                <div>
                  <p>Scan this with an authenticator app on your phone, such as Aegis, Google Authenticator or your password manager.</p>
                  <cl-qr value=${secret.uri} label="QR code with the secret for the authenticator app"></cl-qr>
                  <p class="muted">Or enter this secret in the app by hand:</p>
                  <cl-copy id="secret" label="secret" value=${secret.secret} display=${grouped(secret.secret)}></cl-copy>
                </div>
              </li>
              <li>
                <div>
                  <cl-field label="Code that the app shows" mono keyboard="numeric" autocomplete="one-time-code" placeholder="123456" violation=${this.sending.wrong("code")}></cl-field>
                  <cl-problem .error=${this.sending.elsewhere(["code"])}></cl-problem>
                </div>
              </li>
            </ol>
          </form>`
        : nothing}
      <button slot="footer" type="button" ?disabled=${this.sending.busy} @click=${() => (this.open = false)}>Cancel</button>
      <button slot="footer" type="button" class="primary" ?disabled=${this.sending.busy} @click=${this.submit}>${this.sending.busy ? "Checking…" : "Turn on"}</button>
    </cl-dialog>`;
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    const { field } = this;
    if (this.sending.busy || !field) return;
    const code = field.value.replace(/\s/g, "");
    if (code !== "") {
      if (await this.sending.send(() => this.confirm(code))) {
        this.open = false;
        return;
      }
      field.value = "";
    }
    field.focus();
  }

  private closed(): void {
    this.open = false;
    // The secret does not stay behind in the page.
    this.secret = undefined;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-totp-dialog": TotpDialog;
  }
}
