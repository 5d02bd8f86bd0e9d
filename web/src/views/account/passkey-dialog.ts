// Names a passkey: a new one, which the browser then makes, or one that there is.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, query, state } from "lit/decorators.js";

import { asApiError, type ApiError } from "../../api/errors";
import "../../elements/dialog";
import type { FormField } from "../../elements/form-field";
import "../../elements/form-field";
import "../../elements/problem-box";
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
  @state() private busy = false;
  @state() private error: ApiError | undefined;
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
    this.error = undefined;
    this.open = true;
  }

  override render(): TemplateResult | typeof nothing {
    const { naming } = this;
    if (!naming) return nothing;
    const wrong = this.error?.violations.get("name") ?? "";
    return html`<cl-dialog heading=${naming.heading} ?open=${this.open} ?locked=${this.busy} @opened=${() => this.field?.focus()} @closed=${this.closed}>
      <form @submit=${this.submit}>
        ${naming.text ? html`<p>${naming.text}</p>` : nothing}
        <cl-field label="Name" required hint="By which you recognize it, such as the device that keeps it." .value=${naming.name} violation=${wrong}></cl-field>
        ${wrong === "" ? html`<cl-problem .error=${this.error}></cl-problem>` : nothing}
      </form>
      <button slot="footer" type="button" ?disabled=${this.busy} @click=${() => (this.open = false)}>Cancel</button>
      <button slot="footer" type="button" class="primary" ?disabled=${this.busy} @click=${this.submit}>${this.busy ? "Working…" : naming.verb}</button>
    </cl-dialog>`;
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    const { naming, field } = this;
    if (this.busy || !naming || !field) return;
    const name = field.value.trim();
    if (name === "") {
      field.focus();
      return;
    }
    this.busy = true;
    this.error = undefined;
    try {
      await naming.act(name);
      this.open = false;
    } catch (error) {
      this.error = asApiError(error);
    } finally {
      this.busy = false;
    }
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
