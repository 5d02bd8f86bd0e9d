// Makes or edits an external registry. Knows no backend; gets a callback.
import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";

import type { ExternalRegistry } from "../../api/records";
import "../../elements/check-list";
import "../../elements/dialog";
import type { FormField } from "../../elements/form-field";
import "../../elements/form-field";
import "../../elements/problem-box";
import { Submission } from "../../state/submission";
import { shared } from "../../styles/shared";
import { cacheable, formOf, TYPES, type RegistryForm } from "./registry-form";

/** Fields that show themselves what is wrong with them. */
const TOLD = ["name", "url", "username", "password", "description", "cachePrefix", "cacheTtlSeconds", "cacheDays"];

@customElement("cl-external-registry-dialog")
export class ExternalRegistryDialog extends LitElement {
  /** Saves it; the key makes a repeated attempt the same one. Without a registry it is made. */
  @property({ attribute: false }) save!: (registry: ExternalRegistry | undefined, form: RegistryForm, key: string) => Promise<unknown>;
  @state() private open = false;
  @state() private registry: ExternalRegistry | undefined;
  @state() private form: RegistryForm = formOf();
  private readonly sending = new Submission(this);
  @query("cl-field") private field!: FormField | null;

  static override styles = [
    shared,
    css`
      form {
        display: grid;
        gap: var(--gap-4);
      }
      .pair {
        display: grid;
        grid-template-columns: repeat(auto-fit, minmax(min(180px, 100%), 1fr));
        gap: var(--gap-3);
      }
    `,
  ];

  show(registry?: ExternalRegistry): void {
    this.registry = registry;
    this.form = formOf(registry);
    this.sending.begin();
    this.open = true;
  }

  override render(): TemplateResult {
    const { registry, form } = this;
    const wrong = (name: string): string => this.sending.wrong(name);
    return html`<cl-dialog heading=${registry ? `Edit ${registry.name}` : "New external registry"} ?open=${this.open} ?locked=${this.sending.busy} @opened=${() => this.field?.focus()} @closed=${this.closed}>
      <form @submit=${this.submit}>
        <cl-field label="Name" required placeholder="github" .value=${form.name} violation=${wrong("name")} @changed=${(event: CustomEvent<string>) => this.set({ name: event.detail })}></cl-field>
        <div class="pair">
          <cl-field label="Address" required mono placeholder="ghcr.io" .value=${form.url} violation=${wrong("url")} @changed=${(event: CustomEvent<string>) => this.set({ url: event.detail })}></cl-field>
          <cl-field label="Holds" type="select" .choices=${TYPES} .value=${form.type} @changed=${(event: CustomEvent<string>) => this.set({ type: event.detail })}></cl-field>
        </div>
        <div class="pair">
          <cl-field label="User name" hint="Empty: pull without a login." .value=${form.username} violation=${wrong("username")} @changed=${(event: CustomEvent<string>) => this.set({ username: event.detail })}></cl-field>
          <cl-field
            label="Password or token"
            type="password"
            autocomplete="new-password"
            hint=${registry?.hasPassword ? "One is kept; empty leaves it." : "Kept sealed, never shown again."}
            .value=${form.password}
            violation=${wrong("password")}
            @changed=${(event: CustomEvent<string>) => this.set({ password: event.detail })}
          ></cl-field>
        </div>
        <cl-field label="Description" .value=${form.description} violation=${wrong("description")} @changed=${(event: CustomEvent<string>) => this.set({ description: event.detail })}></cl-field>
        ${cacheable(form)
          ? html`<cl-field
                label="Cache prefix"
                mono
                placeholder="ghcr"
                hint=${`Pulls of ${location.host}/${form.cachePrefix.trim() === "" ? "<prefix>" : form.cachePrefix.trim()}/… are fetched from there once and kept, for whoever may pull here. Empty: no cache.`}
                .value=${form.cachePrefix}
                violation=${wrong("cachePrefix")}
                @changed=${(event: CustomEvent<string>) => this.set({ cachePrefix: event.detail })}
              ></cl-field>
              ${form.cachePrefix.trim() === ""
                ? nothing
                : html`<div class="pair">
                    <cl-field label="Trust a tag for" type="number" min="0" unit="seconds" placeholder="300" hint="Then it is compared with the one there." .value=${form.cacheTtl} violation=${wrong("cacheTtlSeconds")} @changed=${(event: CustomEvent<string>) => this.set({ cacheTtl: event.detail })}></cl-field>
                    <cl-field label="Keep what nobody pulls for" type="number" min="0" unit="days" placeholder="14" hint="Counts for repositories cached from then on." .value=${form.cacheDays} violation=${wrong("cacheDays")} @changed=${(event: CustomEvent<string>) => this.set({ cacheDays: event.detail })}></cl-field>
                  </div>`}`
          : nothing}
        <cl-checks
          label="Several for one server"
          .choices=${[{ value: "default", label: "Use this one", hint: "It takes the place of another that is used for the same server." }]}
          .chosen=${form.isDefault ? ["default"] : []}
          @chosen-changed=${(event: CustomEvent<readonly string[]>) => this.set({ isDefault: event.detail.includes("default") })}
        ></cl-checks>
        <cl-problem .error=${this.sending.elsewhere(TOLD)}></cl-problem>
      </form>
      <button slot="footer" type="button" ?disabled=${this.sending.busy} @click=${() => (this.open = false)}>Cancel</button>
      <button slot="footer" type="button" class="primary" ?disabled=${this.sending.busy} @click=${this.submit}>${this.sending.busy ? "Saving…" : registry ? "Save" : "Add registry"}</button>
    </cl-dialog>`;
  }

  private set(changes: Partial<RegistryForm>): void {
    this.form = { ...this.form, ...changes };
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    const { registry, form } = this;
    if (await this.sending.send((key) => this.save(registry, form, key), form)) this.open = false;
  }

  private closed(): void {
    this.open = false;
    // No secret stays behind in the page.
    this.set({ password: "" });
    this.sending.begin();
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-external-registry-dialog": ExternalRegistryDialog;
  }
}
