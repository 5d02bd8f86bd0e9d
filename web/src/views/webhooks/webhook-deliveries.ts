// What was sent to a webhook in the last week and is to be sent, newest first; what is under way is looked at more often.
// Emits `attempted` when an attempt shows, which may have changed how the webhook stands.
import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { customElement, property, state } from "lit/decorators.js";

import type { WebhookDelivery } from "../../api/records";
import { listDeliveries, redeliver } from "../../api/webhooks";
import "../../elements/copy-field";
import type { Column } from "../../elements/data-table";
import "../../elements/data-table";
import "../../elements/empty-state";
import "../../elements/form-field";
import "../../elements/problem-box";
import "../../elements/relative-time";
import "../../elements/status-pill";
import { toast, toastError } from "../../elements/toasts";
import { Polled } from "../../state/polled";
import { client, permissions } from "../../state/world";
import { shared } from "../../styles/shared";
import { answerOf, deliveryStanding, eventLabel, isDue, readable } from "./webhook-form";

const STATES = [
  { value: "", label: "All deliveries" },
  { value: "FAILED", label: "Given up" },
  { value: "PENDING", label: "To be sent" },
  { value: "DELIVERED", label: "Delivered" },
];

@customElement("cl-webhook-deliveries")
export class WebhookDeliveries extends LitElement {
  @property({ attribute: false }) webhookId = "";
  /** There is no message for trying it out. */
  @property({ type: Boolean }) untestable = false;
  /** Nothing is sent again by a webhook that is disabled. */
  @property({ type: Boolean }) disabled = false;
  @state() private only = "";
  private pages = 1;
  private attempts = "";
  private readonly deliveries = new Polled(
    this,
    (signal) => listDeliveries(client, this.webhookId, this.only === "" ? "" : `state = "${this.only}"`, this.pages, signal),
    ({ deliveries }) => deliveries.some((one) => isDue(one, new Date())),
  );

  static override styles = [
    shared,
    css`
      .bar {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        justify-content: space-between;
        gap: var(--gap-3);
      }
      footer {
        display: flex;
        justify-content: center;
        padding: var(--gap-3);
        border-top: 1px solid var(--line);
      }
      .inside {
        padding: var(--gap-4);
      }
    `,
  ];

  /** Shows what was sent just now. */
  read(): Promise<void> {
    return this.deliveries.read();
  }

  protected override updated(changes: PropertyValues<this>): void {
    if (changes.get("webhookId")) void this.deliveries.read();
    const attempts = (this.deliveries.value?.deliveries ?? []).map(({ id, attempts = 0 }) => `${id} ${attempts}`).join();
    if (attempts !== this.attempts) this.dispatchEvent(new CustomEvent("attempted"));
    this.attempts = attempts;
  }

  override render(): TemplateResult {
    return html`<section class="panel" aria-labelledby="deliveries">
      <header class="bar">
        <h2 id="deliveries">Deliveries</h2>
        <cl-field bare label="Which deliveries" type="select" .choices=${STATES} .value=${this.only} @changed=${(event: CustomEvent<string>) => this.show(event.detail, 1)}></cl-field>
      </header>
      ${this.renderDeliveries()}
    </section>`;
  }

  private renderDeliveries(): TemplateResult {
    const { value, error } = this.deliveries;
    if (error) return html`<div class="inside"><cl-problem .error=${error}></cl-problem></div>`;
    if (!value) return html`<cl-empty symbol="wait" heading="Reading deliveries…"></cl-empty>`;
    if (value.deliveries.length === 0) {
      return this.only === ""
        ? html`<cl-empty symbol="send" heading="Nothing was sent in the last week">${this.untestable ? "Push an image to see whether the receiver takes messages." : "Send a test to see whether the receiver takes messages."}</cl-empty>`
        : html`<cl-empty symbol="search" heading="No delivery fits"></cl-empty>`;
    }
    return html`<cl-table label="Deliveries" noun="delivery" .columns=${permissions.allows("webhooks.write") ? [...COLUMNS, this.againColumn()] : COLUMNS} .rows=${value.deliveries} .detail=${renderDetail}></cl-table>
      ${value.more ? html`<footer><button type="button" @click=${() => this.show(this.only, this.pages + 1)}>Older deliveries</button></footer>` : nothing}`;
  }

  private againColumn(): Column<WebhookDelivery> {
    return {
      key: "again",
      title: "",
      width: "84px",
      align: "end",
      render: (delivery) =>
        delivery.event === "WEBHOOK_EVENT_TEST" || this.disabled || delivery.state === "WEBHOOK_DELIVERY_STATE_PENDING"
          ? nothing
          : html`<button type="button" class="compact" aria-label=${`Redeliver ${delivery.subject ?? ""}`} @click=${() => this.again(delivery)}>Redeliver</button>`,
    };
  }

  private show(only: string, pages: number): void {
    this.only = only;
    this.pages = pages;
    void this.deliveries.read();
  }

  private async again(delivery: WebhookDelivery): Promise<void> {
    try {
      await redeliver(client, delivery);
      toast(`${delivery.subject ?? "The message"} is sent again.`);
    } catch (error) {
      toastError(error);
    }
    await this.deliveries.read();
  }
}

const COLUMNS: readonly Column<WebhookDelivery>[] = [
  { key: "when", title: "When", width: "84px", hideBelow: 400, render: ({ createTime }) => html`<cl-time class="muted" .at=${createTime}></cl-time>` },
  { key: "what", title: "What", width: "minmax(90px, 2fr)", render: ({ event, subject }) => html`<span class="two"><span>${eventLabel(event)}</span><span class="muted small mono">${subject}</span></span>` },
  { key: "state", title: "State", width: "118px", render: (delivery) => html`<cl-status .standing=${deliveryStanding(delivery)}></cl-status>` },
  { key: "attempts", title: "Attempts", width: "70px", align: "end", hideBelow: 560, render: ({ attempts = 0 }) => html`<span class="number">${attempts}</span>` },
  { key: "answer", title: "Answer", width: "minmax(90px, 1.2fr)", hideBelow: 620, render: (delivery) => html`<span class="two"><span class="number">${answerOf(delivery)}</span><span class="muted small">${delivery.error}</span></span>` },
];

function renderDetail(delivery: WebhookDelivery): TemplateResult {
  const { id, error, body = "", attempts = 0, createTime, lastAttemptTime, nextAttemptTime } = delivery;
  return html`<div class="stack">
    <dl class="facts">
      <dt>Message</dt><dd><cl-copy inline label="message id" value=${id}></cl-copy></dd>
      <dt>Made</dt><dd><cl-time .at=${createTime}></cl-time></dd>
      <dt>Attempts</dt><dd class="number">${attempts}${lastAttemptTime ? html`, the last <cl-time .at=${lastAttemptTime}></cl-time>: ${answerOf(delivery)}` : nothing}</dd>
      ${error ? html`<dt>Why not</dt><dd>${error}</dd>` : nothing}
      ${nextAttemptTime ? html`<dt>Next attempt</dt><dd><cl-time .at=${nextAttemptTime}></cl-time></dd>` : nothing}
    </dl>
    <pre tabindex="0" role="region" aria-label="Body">${readable(body)}</pre>
  </div>`;
}

declare global {
  interface HTMLElementTagNameMap {
    "cl-webhook-deliveries": WebhookDeliveries;
  }
}
