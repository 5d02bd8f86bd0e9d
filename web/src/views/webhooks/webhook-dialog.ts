// Makes a webhook and shows its secret this once, or edits one. Knows no backend; gets callbacks.
import { css, html, LitElement, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";

import type { CreatedWebhook, Webhook, WebhookFormat, WebhookWish } from "../../api/records";
import "../../elements/check-list";
import "../../elements/dialog";
import type { FormField } from "../../elements/form-field";
import "../../elements/form-field";
import "../../elements/problem-box";
import type { Row, RowColumn } from "../../elements/row-editor";
import "../../elements/row-editor";
import { Submission } from "../../state/submission";
import { shared } from "../../styles/shared";
import { cellViolations } from "../../text/violations";
import { changesOf, eventsOf, FORMATS, formOf, wishOf, type WebhookForm } from "./webhook-form";
import "./webhook-secret";

const PATTERNS: readonly RowColumn[] = [{ key: "pattern", label: "Repository pattern", placeholder: "team/*", mono: true }];
/** Fields that show themselves what is wrong with them. */
const TOLD = ["name", "url", "format", "events", "repositories", "caCertificates", "description"];

@customElement("cl-webhook-dialog")
export class WebhookDialog extends LitElement {
  /** Makes the webhook; the key makes a repeated attempt the same one. */
  @property({ attribute: false }) create!: (wish: WebhookWish, key: string) => Promise<CreatedWebhook>;
  @property({ attribute: false }) edit!: (webhook: Webhook, changes: Partial<WebhookWish>) => Promise<void>;
  @state() private open = false;
  @state() private webhook: Webhook | undefined;
  @state() private form: WebhookForm = formOf();
  private readonly sending = new Submission(this);
  @state() private made: CreatedWebhook | undefined;
  @query("cl-field") private field!: FormField | null;

  static override styles = [
    shared,
    css`
      form {
        display: grid;
        gap: var(--gap-4);
      }
      .group {
        display: grid;
        gap: var(--gap-2);
      }
    `,
  ];

  show(webhook?: Webhook): void {
    this.webhook = webhook;
    this.form = formOf(webhook);
    this.sending.begin();
    this.open = true;
  }

  override render(): TemplateResult {
    const { webhook, made } = this;
    return html`<cl-dialog
      heading=${made ? `Webhook ${made.webhook.name} is made` : webhook ? `Edit ${webhook.name}` : "New webhook"}
      width="600px"
      ?open=${this.open}
      ?locked=${this.sending.busy || (this.open && made !== undefined)}
      @opened=${() => this.field?.focus()}
      @closed=${this.closed}
    >
      ${made
        ? html`<cl-webhook-secret .secret=${made.secret ?? ""}></cl-webhook-secret>
            <button slot="footer" type="button" class="primary" @click=${() => (this.open = false)}>Done</button>`
        : this.renderForm()}
    </cl-dialog>`;
  }

  private renderForm(): TemplateResult {
    const { webhook, form, sending } = this;
    const wrong = (name: string): string => sending.wrong(name);
    return html`<form @submit=${this.submit}>
        <cl-field label="Name" required placeholder="ci" .value=${form.name} violation=${wrong("name")} @changed=${(event: CustomEvent<string>) => this.set({ name: event.detail })}></cl-field>
        <cl-field label="URL" required mono placeholder="https://ci.example.com/cloudly" hint="Where messages are posted to. Redirects are not followed." .value=${form.url} violation=${wrong("url")} @changed=${(event: CustomEvent<string>) => this.set({ url: event.detail })}></cl-field>
        <cl-field label="Format" type="select" .choices=${FORMATS} .value=${form.format} hint=${FORMATS.find(({ value }) => value === form.format)?.hint ?? ""} violation=${wrong("format")} @changed=${(event: CustomEvent<WebhookFormat>) => this.set({ format: event.detail })}></cl-field>
        <cl-checks label="Tell of" .choices=${eventsOf(form)} .chosen=${wishOf(form).events} violation=${wrong("events")} @chosen-changed=${(event: CustomEvent<readonly string[]>) => this.set({ events: event.detail })}></cl-checks>
        <div class="group">
          <cl-rows label="Repositories" noun="pattern" .columns=${PATTERNS} .rows=${form.repositories} violation=${wrong("repositories")} .violations=${cellViolations(sending.violations, "repositories", "pattern")} @rows-changed=${(event: CustomEvent<readonly Row[]>) => this.set({ repositories: event.detail })}></cl-rows>
          <p class="muted small">Only what matches is told; without a pattern everything is. <code>*</code> stands for anything, slashes too.</p>
        </div>
        <cl-field label="Description" .value=${form.description} violation=${wrong("description")} @changed=${(event: CustomEvent<string>) => this.set({ description: event.detail })}></cl-field>
        <cl-checks
          label="Connection"
          .choices=${[{ value: "http", label: "Allow http", hint: "Whoever is on the way reads the messages; the signature still proves where they come from." }]}
          .chosen=${form.allowHttp ? ["http"] : []}
          @chosen-changed=${(event: CustomEvent<readonly string[]>) => this.set({ allowHttp: event.detail.includes("http") })}
        ></cl-checks>
        <cl-field
          label="Certificates to trust"
          type="textarea"
          mono
          placeholder="-----BEGIN CERTIFICATE-----"
          hint="PEM, of an authority of your own. Empty: the public ones."
          .value=${form.caCertificates}
          violation=${wrong("caCertificates")}
          @changed=${(event: CustomEvent<string>) => this.set({ caCertificates: event.detail })}
        ></cl-field>
        <cl-problem .error=${sending.elsewhere(TOLD)}>${sending.error?.stale ? html`<p>Somebody else has changed it. Close this, look at what it is now, and try again.</p>` : ""}</cl-problem>
      </form>
      <button slot="footer" type="button" ?disabled=${this.sending.busy} @click=${() => (this.open = false)}>Cancel</button>
      <button slot="footer" type="button" class="primary" ?disabled=${this.sending.busy} @click=${this.submit}>${this.sending.busy ? "Saving…" : webhook ? "Save" : "Create webhook"}</button>`;
  }

  private set(changes: Partial<WebhookForm>): void {
    this.form = { ...this.form, ...changes };
  }

  private async submit(event: Event): Promise<void> {
    event.preventDefault();
    // Rows that hold nothing are not sent; without them the server counts the rows as they are shown.
    this.set({ repositories: this.form.repositories.filter(({ pattern = "" }) => pattern.trim() !== "") });
    const { webhook, form } = this;
    await this.sending.send(async (key) => {
      if (webhook) {
        const changes = changesOf(webhook, form);
        if (Object.keys(changes).length > 0) await this.edit(webhook, changes);
        this.open = false;
      } else this.made = await this.create(wishOf(form), key);
    }, form);
  }

  private closed(): void {
    this.open = false;
    // The secret does not stay behind in the page.
    this.made = undefined;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-webhook-dialog": WebhookDialog;
  }
}
