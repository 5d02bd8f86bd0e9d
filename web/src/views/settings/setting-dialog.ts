// Changes the settings of one provider together. Knows no backend; gets a callback.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";

import type { Setting, SettingUpdate } from "../../api/records";
import "../../elements/dialog";
import type { FormField } from "../../elements/form-field";
import "../../elements/form-field";
import "../../elements/problem-box";
import { Submission } from "../../state/submission";
import { shared } from "../../styles/shared";
import { hint, label, updatesOf, violationsByKey, type Draft, type Group } from "./setting-form";

@customElement("cl-setting-dialog")
export class SettingDialog extends LitElement {
  @property({ attribute: false }) save!: (updates: readonly SettingUpdate[]) => Promise<void>;
  @state() private group: Group | undefined;
  @state() private open = false;
  @state() private draft: Draft = new Map();
  private readonly sending = new Submission(this);
  @query("cl-field") private field!: FormField | null;
  private sent: readonly SettingUpdate[] = [];

  static override styles = [
    shared,
    css`
      form {
        display: grid;
        gap: var(--gap-4);
      }
    `,
  ];

  show(group: Group): void {
    this.group = group;
    this.draft = new Map();
    this.sending.begin();
    this.open = true;
  }

  override render(): TemplateResult {
    const { group } = this;
    const { error } = this.sending;
    const wrong = violationsByKey(error, this.sent);
    const changed = updatesOf(group?.settings ?? [], this.draft).length > 0;
    return html`<cl-dialog heading=${group?.title ?? ""} width="600px" ?open=${this.open} ?locked=${this.sending.busy} @opened=${() => this.field?.focus()} @closed=${this.closed}>
      <form @submit=${this.submit}>
        ${(group?.settings ?? []).map((setting) => this.renderField(setting, wrong.get(setting.key) ?? ""))}
        ${wrong.size > 0
          ? nothing
          : html`<cl-problem .error=${error}>${error?.stale ? html`<p>Somebody else has changed one of them. Close this, look at what it is now, and try again.</p>` : nothing}</cl-problem>`}
      </form>
      <button slot="footer" type="button" ?disabled=${this.sending.busy} @click=${() => (this.open = false)}>Cancel</button>
      <button slot="footer" type="button" class="primary" ?disabled=${this.sending.busy || !changed} @click=${this.submit}>${this.sending.busy ? "Saving…" : "Save"}</button>
    </cl-dialog>`;
  }

  private renderField(setting: Setting, violation: string): TemplateResult {
    const { key, type, secret, value = "", set } = setting;
    const json = type === "SETTING_TYPE_JSON";
    const port = type === "SETTING_TYPE_PORT";
    return html`<cl-field
      label=${label(setting)}
      hint=${hint(setting)}
      type=${json ? "textarea" : secret ? "password" : port ? "number" : "text"}
      autocomplete=${secret ? "new-password" : "off"}
      ?mono=${json}
      .min=${port ? 1 : undefined}
      .max=${port ? 65535 : undefined}
      placeholder=${secret && set ? value : ""}
      .value=${this.draft.get(key) ?? (secret ? "" : value)}
      violation=${violation}
      @changed=${(event: CustomEvent<string>) => (this.draft = new Map(this.draft).set(key, event.detail))}
    ></cl-field>`;
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    const updates = updatesOf(this.group?.settings ?? [], this.draft);
    if (this.sending.busy || updates.length === 0) return;
    this.sent = updates;
    if (await this.sending.send(() => this.save(updates))) this.open = false;
  }

  private closed(): void {
    this.open = false;
    // No secret stays behind in the page.
    this.draft = new Map();
    this.sent = [];
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-setting-dialog": SettingDialog;
  }
}
