// Asks before something dies, and names what. `confirm()` answers when the user has decided.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, query, state } from "lit/decorators.js";

import { Submission } from "../state/submission";
import { shared } from "../styles/shared";
import "./dialog";
import type { FormField } from "./form-field";
import "./form-field";
import "./problem-box";

export interface Question {
  heading: string;
  /** What happens, in a sentence. */
  text: string;
  /** Each thing that is lost or stops. */
  dies?: readonly string[];
  /** The verb on the button: "Delete cluster". */
  verb: string;
  danger?: boolean;
  /** Typed by the user before the button works: the name of what dies. */
  typed?: string;
  /** Done while the dialog is open; a failure is shown in it and can be tried again, with the same idempotency key. */
  act: (key: string) => Promise<unknown>;
}

@customElement("cl-confirm")
export class ConfirmDialog extends LitElement {
  @state() private question: Question | undefined;
  @state() private open = false;
  @state() private typed = "";
  private readonly sending = new Submission(this);
  @query("cl-field") private field!: FormField | null;
  private decided: (done: boolean) => void = () => undefined;

  static override styles = [
    shared,
    css`
      form {
        display: grid;
        gap: var(--gap-3);
      }
      .dies {
        display: grid;
        gap: 4px;
        padding: var(--gap-3) var(--gap-4);
        border-radius: var(--radius);
        background: var(--bad-quiet);
      }
      .dies li {
        padding-inline-start: 14px;
        text-indent: -14px;
        overflow-wrap: anywhere;
      }
      .dies li::before {
        content: "– ";
        color: var(--bad);
      }
    `,
  ];

  /** Resolves with whether it was done. */
  ask(question: Question): Promise<boolean> {
    this.decided(false);
    this.question = question;
    this.typed = "";
    this.sending.begin();
    this.open = true;
    return new Promise((resolve) => (this.decided = resolve));
  }

  override render(): TemplateResult | typeof nothing {
    const { question } = this;
    if (!question) return nothing;
    const blocked = question.typed !== undefined && this.typed.trim() !== question.typed;
    return html`<cl-dialog heading=${question.heading} ?open=${this.open} ?locked=${this.sending.busy} @opened=${() => this.field?.focus()} @closed=${this.closed}>
      <form id="confirm" @submit=${this.submit}>
        <p>${question.text}</p>
        ${question.dies?.length ? html`<ul class="dies" aria-label="What this ends">${question.dies.map((one) => html`<li>${one}</li>`)}</ul>` : nothing}
        ${question.typed === undefined
          ? nothing
          : html`<cl-field label=${`Type ${question.typed} to confirm`} .value=${this.typed} mono @changed=${(event: CustomEvent<string>) => (this.typed = event.detail)}></cl-field>`}
        <cl-problem .error=${this.sending.error}></cl-problem>
      </form>
      <button slot="footer" type="button" ?disabled=${this.sending.busy} @click=${() => (this.open = false)}>Cancel</button>
      <button slot="footer" type="button" class=${question.danger === false ? "primary" : "danger"} ?disabled=${blocked || this.sending.busy} @click=${this.submit}>
        ${this.sending.busy ? "Working…" : question.verb}
      </button>
    </cl-dialog>`;
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    const { question } = this;
    if (!question || (question.typed !== undefined && this.typed.trim() !== question.typed)) return;
    if (!(await this.sending.send(question.act))) return;
    this.decided(true);
    this.open = false;
  }

  private closed(): void {
    this.open = false;
    this.decided(false);
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-confirm": ConfirmDialog;
  }
}
