// Webhooks: which other systems are told what happens to images, and whether messages get through.
import { html, LitElement, nothing, type TemplateResult } from "lit";
import { customElement, query } from "lit/decorators.js";

import type { Webhook, WebhookWish } from "../../api/records";
import { createWebhook, listWebhooks } from "../../api/webhooks";
import type { Column } from "../../elements/data-table";
import "../../elements/data-table";
import "../../elements/empty-state";
import { icon } from "../../elements/icon";
import "../../elements/page";
import "../../elements/problem-box";
import "../../elements/relative-time";
import "../../elements/status-pill";
import { Polled } from "../../state/polled";
import { client, permissions } from "../../state/world";
import { shared } from "../../styles/shared";
import type { WebhookDialog } from "./webhook-dialog";
import "./webhook-dialog";
import { eventLabel, webhookStanding } from "./webhook-form";

@customElement("cl-webhook-list")
export class WebhookList extends LitElement {
  @query("cl-webhook-dialog") private making!: WebhookDialog;
  private readonly webhooks = new Polled(this, (signal) => listWebhooks(client, signal));

  static override styles = shared;

  override render(): TemplateResult {
    return html`<cl-page heading="Webhooks">
        ${permissions.allows("webhooks.write") ? html`<button slot="actions" type="button" class="primary" @click=${() => this.making.show()}>${icon("plus")} New webhook</button>` : nothing}
        <div class="stack">
          <p class="muted">Other systems are told what happens to images: a signed message by HTTP, sent again for a day until it is taken.</p>
          <cl-problem .error=${this.webhooks.error}></cl-problem>
          <div class="panel" ?hidden=${this.webhooks.error !== undefined && !this.webhooks.value}>${this.renderWebhooks()}</div>
        </div>
      </cl-page>
      <cl-webhook-dialog
        .create=${async (wish: WebhookWish, key: string) => {
          const made = await createWebhook(client, wish, key);
          await this.webhooks.read();
          return made;
        }}
      ></cl-webhook-dialog>`;
  }

  private renderWebhooks(): TemplateResult {
    const rows = this.webhooks.value;
    if (!rows) return html`<cl-empty symbol="wait" heading="Reading webhooks…"></cl-empty>`;
    if (rows.length === 0) return html`<cl-empty symbol="send" heading="No webhook yet"><p>Make one to start a pipeline, a scan or a message in a chat when an image is pushed.</p></cl-empty>`;
    return html`<cl-table
      label="Webhooks"
      noun="webhook"
      .columns=${COLUMNS}
      .rows=${rows}
      .href=${({ id }: Webhook) => `/webhooks/${id}`}
      .order=${{ key: "name", descending: false }}
      .text=${({ name, url, description, repositories = [] }: Webhook) => [name, url, description, ...repositories].join(" ")}
    ></cl-table>`;
  }
}

const COLUMNS: readonly Column<Webhook>[] = [
  { key: "name", title: "Name", width: "minmax(90px, 1fr)", sort: ({ name }) => name, render: ({ name }) => name },
  { key: "state", title: "State", width: "104px", sort: (webhook) => webhookStanding(webhook).label, render: (webhook) => html`<cl-status .standing=${webhookStanding(webhook)}></cl-status>` },
  { key: "url", title: "URL", width: "minmax(110px, 2fr)", hideBelow: 480, sort: ({ url }) => url, render: ({ url }) => html`<span class="mono cut">${url}</span>` },
  { key: "events", title: "Tells of", width: "minmax(120px, 2fr)", hideBelow: 680, render: ({ events, repositories = [] }) => html`<span class="two"><span>${events.map(eventLabel).join(", ")}</span><span class="muted small mono">${repositories.join(" ")}</span></span>` },
  { key: "created", title: "Created", width: "92px", hideBelow: 800, sort: ({ createTime }) => createTime ?? "", render: ({ createTime }) => html`<cl-time class="muted" .at=${createTime}></cl-time>` },
];

declare global {
  interface HTMLElementTagNameMap {
    "cl-webhook-list": WebhookList;
  }
}
