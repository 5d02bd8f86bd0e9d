// Gives a version one more tag. Knows no backend; gets a callback.
import { css, html, LitElement, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";

import "../../elements/dialog";
import type { FormField } from "../../elements/form-field";
import "../../elements/form-field";
import "../../elements/problem-box";
import { Submission } from "../../state/submission";
import { shared } from "../../styles/shared";

@customElement("cl-tag-dialog")
export class TagDialog extends LitElement {
  /** Points the tag to the version. */
  @property({ attribute: false }) tag!: (tag: string) => Promise<unknown>;
  /** What the version is called now. */
  @property() version = "";
  @state() private open = false;
  @state() private name = "";
  private readonly sending = new Submission(this);
  @query("cl-field") private field!: FormField | null;

  static override styles = [
    shared,
    css`
      form {
        display: grid;
        gap: var(--gap-3);
      }
    `,
  ];

  show(): void {
    this.name = "";
    this.sending.begin();
    this.open = true;
  }

  override render(): TemplateResult {
    return html`<cl-dialog heading=${`Tag ${this.version}`} ?open=${this.open} ?locked=${this.sending.busy} @opened=${() => this.field?.focus()} @closed=${() => (this.open = false)}>
      <form @submit=${this.submit}>
        <p>A tag that exists is moved here. It counts as a push: workloads that follow the tag deploy this version.</p>
        <cl-field label="Tag" required mono placeholder="stable" .value=${this.name} violation=${this.sending.wrong("tag")} @changed=${(event: CustomEvent<string>) => (this.name = event.detail)}></cl-field>
        <cl-problem .error=${this.sending.elsewhere(["tag"])}></cl-problem>
      </form>
      <button slot="footer" type="button" ?disabled=${this.sending.busy} @click=${() => (this.open = false)}>Cancel</button>
      <button slot="footer" type="button" class="primary" ?disabled=${this.sending.busy || this.name.trim() === ""} @click=${this.submit}>${this.sending.busy ? "Working…" : "Set tag"}</button>
    </cl-dialog>`;
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    const name = this.name.trim();
    if (name !== "" && (await this.sending.send(() => this.tag(name)))) this.open = false;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-tag-dialog": TagDialog;
  }
}
