// Gives a version one more tag. Knows no backend; gets a callback.
import { css, html, LitElement, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";

import { asApiError, type ApiError } from "../../api/errors";
import "../../elements/dialog";
import type { FormField } from "../../elements/form-field";
import "../../elements/form-field";
import "../../elements/problem-box";
import { shared } from "../../styles/shared";

@customElement("cl-tag-dialog")
export class TagDialog extends LitElement {
  /** Points the tag to the version. */
  @property({ attribute: false }) tag!: (tag: string) => Promise<unknown>;
  /** What the version is called now. */
  @property() version = "";
  @state() private open = false;
  @state() private name = "";
  @state() private busy = false;
  @state() private error: ApiError | undefined;
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
    this.error = undefined;
    this.open = true;
  }

  override render(): TemplateResult {
    return html`<cl-dialog heading=${`Tag ${this.version}`} ?open=${this.open} ?locked=${this.busy} @opened=${() => this.field?.focus()} @closed=${() => (this.open = false)}>
      <form @submit=${this.submit}>
        <p>A tag that exists is moved here. It counts as a push: workloads that follow the tag deploy this version.</p>
        <cl-field label="Tag" required mono placeholder="stable" .value=${this.name} violation=${this.error?.violations.get("tag") ?? ""} @changed=${(event: CustomEvent<string>) => (this.name = event.detail)}></cl-field>
        <cl-problem .error=${this.error?.violations.has("tag") ? undefined : this.error}></cl-problem>
      </form>
      <button slot="footer" type="button" ?disabled=${this.busy} @click=${() => (this.open = false)}>Cancel</button>
      <button slot="footer" type="button" class="primary" ?disabled=${this.busy || this.name.trim() === ""} @click=${this.submit}>${this.busy ? "Working…" : "Set tag"}</button>
    </cl-dialog>`;
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    const name = this.name.trim();
    if (this.busy || name === "") return;
    this.busy = true;
    try {
      await this.tag(name);
      this.open = false;
    } catch (error) {
      this.error = asApiError(error);
    } finally {
      this.busy = false;
    }
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-tag-dialog": TagDialog;
  }
}
