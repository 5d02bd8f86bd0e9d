// Gives a webhook a new secret and shows it this once. Knows no backend; gets a callback.
import { css, html, LitElement, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";

import "../../elements/dialog";
import type { FormField } from "../../elements/form-field";
import "../../elements/form-field";
import "../../elements/problem-box";
import { Submission } from "../../state/submission";
import { shared } from "../../styles/shared";
import "./webhook-secret";

const DAY_SECONDS = 86_400;
const OVERLAPS = [
  { value: "0", label: "No longer: it ends now" },
  { value: "3600", label: "An hour" },
  { value: String(DAY_SECONDS), label: "A day" },
  { value: String(7 * DAY_SECONDS), label: "A week" },
];

@customElement("cl-rotate-dialog")
export class RotateDialog extends LitElement {
  /** What the webhook is called. */
  @property() webhook = "";
  /** Answers the new secret. */
  @property({ attribute: false }) rotate!: (overlapSeconds: number) => Promise<string>;
  @state() private open = false;
  @state() private overlap = String(DAY_SECONDS);
  private readonly sending = new Submission(this);
  @state() private secret = "";
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

  show(): void {
    this.overlap = String(DAY_SECONDS);
    this.sending.begin();
    this.open = true;
  }

  override render(): TemplateResult {
    const done = this.secret !== "";
    return html`<cl-dialog
      heading=${done ? `The new secret of ${this.webhook}` : `Rotate the secret of ${this.webhook}`}
      ?open=${this.open}
      ?locked=${this.sending.busy || (this.open && done)}
      @opened=${() => this.field?.focus()}
      @closed=${this.closed}
    >
      ${done
        ? html`<cl-webhook-secret .secret=${this.secret}></cl-webhook-secret>
            <button slot="footer" type="button" class="primary" @click=${() => (this.open = false)}>Done</button>`
        : html`<form @submit=${this.submit}>
              <p>Messages are signed with the new secret from now on, and with the old one, too, until the receiver had time to change.</p>
              <cl-field label="The old secret signs for" type="select" .choices=${OVERLAPS} .value=${this.overlap} @changed=${(event: CustomEvent<string>) => (this.overlap = event.detail)}></cl-field>
              <cl-problem .error=${this.sending.error}></cl-problem>
            </form>
            <button slot="footer" type="button" ?disabled=${this.sending.busy} @click=${() => (this.open = false)}>Cancel</button>
            <button slot="footer" type="button" class="primary" ?disabled=${this.sending.busy} @click=${this.submit}>${this.sending.busy ? "Working…" : "Rotate secret"}</button>`}
    </cl-dialog>`;
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    await this.sending.send(async () => void (this.secret = await this.rotate(Number(this.overlap))));
  }

  private closed(): void {
    this.open = false;
    // The secret does not stay behind in the page.
    this.secret = "";
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-rotate-dialog": RotateDialog;
  }
}
