// One webhook: whether messages get through, what is told and where to, what was sent.
import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { customElement, property, query, state } from "lit/decorators.js";

import type { Webhook, WebhookWish } from "../../api/records";
import { deleteWebhook, getWebhook, rotateSecret, testWebhook, updateWebhook } from "../../api/webhooks";
import type { ConfirmDialog } from "../../elements/confirm-dialog";
import "../../elements/confirm-dialog";
import "../../elements/copy-field";
import "../../elements/empty-state";
import { icon } from "../../elements/icon";
import type { MenuItem } from "../../elements/menu";
import "../../elements/menu";
import "../../elements/page";
import "../../elements/problem-box";
import "../../elements/relative-time";
import "../../elements/status-pill";
import { toast, toastError } from "../../elements/toasts";
import { navigate } from "../../router";
import { Polled } from "../../state/polled";
import { client, permissions } from "../../state/world";
import { columns } from "../../styles/columns";
import { shared } from "../../styles/shared";
import { sentence } from "../../text/format";
import type { RotateDialog } from "./rotate-dialog";
import "./rotate-dialog";
import type { WebhookDeliveries } from "./webhook-deliveries";
import "./webhook-deliveries";
import type { WebhookDialog } from "./webhook-dialog";
import "./webhook-dialog";
import { answerOf, eventLabel, FORMATS, formOf, legacy, webhookStanding } from "./webhook-form";

type Action = "rotate" | "enable" | "disable" | "delete";

@customElement("cl-webhook-page")
export class WebhookPage extends LitElement {
  @property({ attribute: false }) webhookId = "";
  @state() private testing = false;
  @query("cl-confirm") private confirm!: ConfirmDialog;
  @query("cl-webhook-dialog") private editing!: WebhookDialog;
  @query("cl-rotate-dialog") private rotating!: RotateDialog;
  @query("cl-webhook-deliveries") private deliveries!: WebhookDeliveries | null;
  private readonly webhook = new Polled(this, (signal) => getWebhook(client, this.webhookId, signal));

  static override styles = [
    shared,
    columns,
    css`
      .notice {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        justify-content: space-between;
        gap: var(--gap-2) var(--gap-4);
        padding: var(--gap-3) var(--gap-4);
      }
      .notice > div {
        flex: 1 1 280px;
        min-width: 0;
        overflow-wrap: anywhere;
      }
    `,
  ];

  protected override updated(changes: PropertyValues<this>): void {
    if (changes.get("webhookId")) void this.webhook.read();
  }

  override render(): TemplateResult {
    const crumbs = [{ label: "Webhooks", href: "/webhooks" }];
    const { value: webhook, error } = this.webhook;
    if (!webhook || error?.notFound) {
      return html`<cl-page heading=${error?.notFound ? "No such webhook" : "Webhook"} .crumbs=${crumbs}>
        <div class="panel">
          ${error?.notFound
            ? html`<cl-empty symbol="send" heading="This webhook does not exist (any more)"><a class="button" href="/webhooks">See all webhooks</a></cl-empty>`
            : error
              ? html`<cl-problem .error=${error}></cl-problem>`
              : html`<cl-empty symbol="wait" heading="Reading the webhook…"></cl-empty>`}
        </div>
      </cl-page>`;
    }
    return html`<cl-page heading=${webhook.name} .crumbs=${crumbs}>
        <cl-status slot="status" .standing=${webhookStanding(webhook)}></cl-status>
        ${permissions.allows("webhooks.write") ? this.renderActions(webhook) : nothing}
        <div class="stack">
          <cl-problem .error=${error}></cl-problem>
          ${this.renderNotice(webhook)}
          <div class="columns">
            <cl-webhook-deliveries .webhookId=${webhook.id} ?untestable=${legacy(webhook)} ?disabled=${webhook.disabled ?? false} @attempted=${() => void this.webhook.read()}></cl-webhook-deliveries>
            ${renderFacts(webhook)}
          </div>
        </div>
      </cl-page>
      <cl-confirm></cl-confirm>
      <cl-webhook-dialog .edit=${(before: Webhook, changes: Partial<WebhookWish>) => this.change(before, changes, `${changes.name ?? before.name} was saved.`)}></cl-webhook-dialog>
      <cl-rotate-dialog webhook=${webhook.name} .rotate=${(overlapSeconds: number) => this.rotate(webhook, overlapSeconds)}></cl-rotate-dialog>`;
  }

  private renderActions(webhook: Webhook): TemplateResult {
    const items: readonly MenuItem[] = [
      { value: "rotate", label: "Rotate secret", symbol: "key" },
      webhook.disabled ? { value: "enable", label: "Enable", symbol: "check" } : { value: "disable", label: "Disable", symbol: "minus" },
      { value: "delete", label: "Delete", symbol: "trash", danger: true },
    ];
    return html`${legacy(webhook) ? nothing : html`<button slot="actions" type="button" ?disabled=${this.testing} @click=${() => this.test(webhook)}>${icon("send")} ${this.testing ? "Sending…" : "Send test"}</button>`}
      <button slot="actions" type="button" @click=${() => this.editing.show(webhook)}>${icon("edit")} Edit</button>
      <cl-menu slot="actions" label="More" .items=${items} @chosen=${(event: CustomEvent<string>) => this.act(webhook, event.detail as Action)}></cl-menu>`;
  }

  /** What stands in the way of messages, and the way out. */
  private renderNotice(webhook: Webhook): TemplateResult | typeof nothing {
    const reason = sentence(webhook.stateReason ?? "");
    if (webhook.state === "WEBHOOK_STATE_DISABLED") {
      return html`<section class="panel notice" aria-label="State">
        <div>
          <strong>${reason === "" ? "Disabled: nothing is sent." : "Disabled by itself, because messages did not get through."}</strong>
          ${reason === "" ? nothing : html`<p>${reason}</p>`}
          <p class="muted">What happens while it is disabled is not told later.</p>
        </div>
        ${permissions.allows("webhooks.write") ? html`<button type="button" class="primary" @click=${() => this.enable(webhook)}>Enable</button>` : nothing}
      </section>`;
    }
    if (webhook.state !== "WEBHOOK_STATE_FAILING") return nothing;
    return html`<section class="panel notice" aria-label="State">
      <div>
        <strong>Nothing gets through.</strong>
        <p>It began <cl-time .at=${webhook.failingSince}></cl-time>. ${reason}.</p>
        <p class="muted">Messages are sent again for a day each; when one is given up and nothing else got through, the webhook is disabled.</p>
      </div>
    </section>`;
  }

  private act(webhook: Webhook, action: Action): void {
    if (action === "rotate") this.rotating.show();
    else if (action === "enable") void this.enable(webhook);
    else if (action === "disable") void this.askToDisable(webhook);
    else void this.askToDelete(webhook);
  }

  private async test(webhook: Webhook): Promise<void> {
    this.testing = true;
    try {
      const tried = await testWebhook(client, webhook);
      if (tried.state === "WEBHOOK_DELIVERY_STATE_DELIVERED") toast(`The receiver took the message: ${answerOf(tried)}.`);
      else toast(`The receiver did not take the message: ${tried.error ?? ""}`, "bad");
    } catch (error) {
      toastError(error);
    } finally {
      this.testing = false;
    }
    await this.deliveries?.read();
  }

  private async enable(webhook: Webhook): Promise<void> {
    try {
      await this.change(webhook, { disabled: false }, `${webhook.name} is enabled.`);
    } catch (error) {
      toastError(error);
      await this.webhook.read();
    }
  }

  private async askToDisable(webhook: Webhook): Promise<void> {
    await this.confirm.ask({
      heading: `Disable webhook ${webhook.name}?`,
      text: "Nothing is sent until it is enabled again. What happens meanwhile is not told later.",
      verb: "Disable webhook",
      act: () => this.change(webhook, { disabled: true }, `${webhook.name} is disabled.`),
    });
  }

  private async askToDelete(webhook: Webhook): Promise<void> {
    const done = await this.confirm.ask({
      heading: `Delete webhook ${webhook.name}?`,
      text: "What was not delivered yet is dropped. To stop it for a while, disable it.",
      dies: [`The webhook ${webhook.name} with its secret: ${webhook.url} hears nothing any more`],
      verb: "Delete webhook",
      typed: webhook.name,
      act: async () => {
        await deleteWebhook(client, webhook);
      },
    });
    if (!done) return;
    toast(`Webhook ${webhook.name} was deleted.`);
    navigate("/webhooks");
  }

  private async change(webhook: Webhook, changes: Partial<WebhookWish & { disabled: boolean }>, said: string): Promise<void> {
    await updateWebhook(client, webhook, changes);
    toast(said);
    await this.webhook.read();
  }

  private async rotate(webhook: Webhook, overlapSeconds: number): Promise<string> {
    const secret = await rotateSecret(client, webhook, overlapSeconds);
    await this.webhook.read();
    return secret;
  }
}

function renderFacts(webhook: Webhook): TemplateResult {
  const { repositories = [], previousSecretEndTime } = webhook;
  const overlapping = previousSecretEndTime !== undefined && Date.parse(previousSecretEndTime) > Date.now();
  return html`<section class="panel" aria-labelledby="facts">
    <header><h2 id="facts">Facts</h2></header>
    <div class="body">
      <dl class="facts">
        <dt>URL</dt>
        <dd class="mono">${webhook.url}</dd>
        ${webhook.description ? html`<dt>Description</dt><dd>${webhook.description}</dd>` : nothing}
        <dt>Format</dt>
        <dd>${FORMATS.find(({ value }) => value === formOf(webhook).format)?.label}</dd>
        <dt>Tells of</dt>
        <dd>${webhook.events.map((event) => html`<div>${eventLabel(event)}</div>`)}</dd>
        <dt>Repositories</dt>
        <dd>${repositories.length === 0 ? "all" : repositories.map((pattern) => html`<div class="mono">${pattern}</div>`)}</dd>
        <dt>TLS</dt>
        <dd>${webhook.url.startsWith("http:") ? "none: messages are sent in the clear" : webhook.caCertificates ? "certificates of an own authority" : "public authorities"}</dd>
        ${overlapping ? html`<dt>Old secret</dt><dd>signs until ${new Date(previousSecretEndTime).toLocaleString()}</dd>` : nothing}
        <dt>Id</dt>
        <dd><cl-copy inline label="webhook id" value=${webhook.id}></cl-copy></dd>
        <dt>Created</dt>
        <dd><cl-time .at=${webhook.createTime}></cl-time></dd>
      </dl>
    </div>
  </section>`;
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-webhook-page": WebhookPage;
  }
}
