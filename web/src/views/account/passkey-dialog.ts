// Names a passkey: a new one, which the browser then makes, or one that there is.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, query, state } from "lit/decorators.js";

import "../../elements/dialog";
import type { FormField } from "../../elements/form-field";
import "../../elements/form-field";
import "../../elements/problem-box";
import { Submission } from "../../state/submission";
import { shared } from "../../styles/shared";

export interface Naming {
  heading: string;
  text?: string;
  /** What it is called unless another name is chosen. */
  name: string;
  verb: string;
  act: (name: string) => Promise<void>;
}

@customElement("cl-passkey-dialog")
export class PasskeyDialog extends LitElement {
  @state() private naming: Naming | undefined;
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

  show(naming: Naming): void {
    this.naming = naming;
    this.sending.begin();
    this.open = true;
  }

  override render(): TemplateResult | typeof nothing {
    const { naming } = this;
    if (!naming) return nothing;
    return html`<cl-dialog heading=${naming.heading} ?open=${this.open} ?locked=${this.sending.busy} @opened=${() => this.field?.focus()} @closed=${this.closed}>
      <form @submit=${this.submit}>
        ${naming.text ? html`<p>${naming.text}</p>` : nothing}
        <cl-field label="Name" required hint="By which you recognize it, such as the device that keeps it." .value=${naming.name} violation=${this.sending.wrong("name")}></cl-field>
        <cl-problem .error=${this.sending.elsewhere(["name"])}></cl-problem>
      </form>
      <button slot="footer" type="button" ?disabled=${this.sending.busy} @click=${() => (this.open = false)}>Cancel</button>
      <button slot="footer" type="button" class="primary" ?disabled=${this.sending.busy} @click=${this.submit}>${this.sending.busy ? "Working…" : naming.verb}</button>
    </cl-dialog>`;
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    const { naming, field } = this;
    if (!naming || !field) return;
    const name = field.value.trim();
    if (name === "") field.focus();
    else if (await this.sending.send(() => naming.act(name))) this.open = false;
  }

  private closed(): void {
    this.open = false;
    this.naming = undefined;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-passkey-dialog": PasskeyDialog;
  }
}
