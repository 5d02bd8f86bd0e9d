// A webhook as a form holds it, and how webhooks and their messages stand. Pure.
import type { Webhook, WebhookDelivery, WebhookEvent, WebhookFormat, WebhookWish } from "../../api/records";
import type { Check } from "../../elements/check-list";
import type { Choice } from "../../elements/form-field";
import type { Row } from "../../elements/row-editor";
import type { Standing } from "../../state/standing";
import { duration } from "../../text/format";

export interface WebhookForm {
  name: string;
  url: string;
  description: string;
  allowHttp: boolean;
  caCertificates: string;
  format: WebhookFormat;
  events: readonly string[];
  repositories: readonly Row[];
}

const EVENT_LABELS: Readonly<Partial<Record<WebhookEvent, { label: string; hint: string }>>> = {
  WEBHOOK_EVENT_IMAGE_PUSHED: { label: "Image pushed", hint: "a tag was pushed, new or again" },
  WEBHOOK_EVENT_TAG_MOVED: { label: "Tag moved", hint: "a push gave a tag another digest" },
  WEBHOOK_EVENT_TAG_DELETED: { label: "Tag deleted", hint: "by itself, with its manifest, or by a rule of retention" },
  WEBHOOK_EVENT_MANIFEST_DELETED: { label: "Manifest deleted", hint: "or collected, because nothing pointed to it" },
  WEBHOOK_EVENT_IMAGE_DELETED: { label: "Image deleted", hint: "with all its tags" },
  WEBHOOK_EVENT_TEST: { label: "Test", hint: "" },
};

/** How messages are written. */
export const FORMATS: readonly (Choice & { value: WebhookFormat; hint: string })[] = [
  { value: "WEBHOOK_FORMAT_CLOUD_EVENTS", label: "CloudEvents", hint: "CloudEvents 1.0 as JSON, signed as Standard Webhooks has it." },
  { value: "WEBHOOK_FORMAT_TYPED_REQUEST", label: "TypedRequest", hint: "The legacy call servezonestandard_InformAboutNewContainerVersion. It tells of pushes alone, and cannot be tried out." },
];

/** What can be told. */
export const EVENTS: readonly Check[] = Object.entries(EVENT_LABELS)
  .filter(([value]) => value !== "WEBHOOK_EVENT_TEST")
  .map(([value, { label, hint }]) => ({ value, label, hint }));

export function eventLabel(event: WebhookEvent | undefined): string {
  return (event && EVENT_LABELS[event]?.label) ?? "";
}

/** Whether messages are written as a legacy call. */
export function legacy(webhook: Pick<Webhook, "format"> | undefined): boolean {
  return webhook?.format === "WEBHOOK_FORMAT_TYPED_REQUEST";
}

/** What can be told in the format. */
export function eventsOf({ format }: Pick<WebhookForm, "format">): readonly Check[] {
  return legacy({ format }) ? EVENTS.filter(({ value }) => value === "WEBHOOK_EVENT_IMAGE_PUSHED") : EVENTS;
}

export function formOf(webhook?: Webhook): WebhookForm {
  return {
    name: webhook?.name ?? "",
    url: webhook?.url ?? "",
    description: webhook?.description ?? "",
    allowHttp: webhook?.allowHttp ?? false,
    caCertificates: webhook?.caCertificates ?? "",
    format: legacy(webhook) ? "WEBHOOK_FORMAT_TYPED_REQUEST" : "WEBHOOK_FORMAT_CLOUD_EVENTS",
    events: webhook?.events ?? ["WEBHOOK_EVENT_IMAGE_PUSHED"],
    repositories: (webhook?.repositories ?? []).map((pattern) => ({ pattern })),
  };
}

export function wishOf(form: WebhookForm): WebhookWish {
  return {
    name: form.name.trim(),
    url: form.url.trim(),
    description: form.description.trim(),
    allowHttp: form.allowHttp,
    caCertificates: form.caCertificates.trim(),
    format: form.format,
    // In the contract's order, so that choosing one again is no change.
    events: eventsOf(form)
      .map(({ value }) => value)
      .filter((value): value is WebhookEvent => legacy(form) || form.events.includes(value)),
    repositories: form.repositories.map(({ pattern = "" }) => pattern.trim()).filter((pattern) => pattern !== ""),
  };
}

/** What differs from the webhook. */
export function changesOf(webhook: Webhook, form: WebhookForm): Partial<WebhookWish> {
  const before: Record<string, unknown> = { ...wishOf(formOf(webhook)) };
  return Object.fromEntries(Object.entries(wishOf(form)).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(before[name])));
}

export function webhookStanding({ state }: Pick<Webhook, "state">): Standing {
  switch (state) {
    case "WEBHOOK_STATE_DISABLED":
      return { tone: "idle", label: "Disabled" };
    case "WEBHOOK_STATE_FAILING":
      return { tone: "bad", label: "Failing" };
    default:
      return { tone: "ok", label: "Active" };
  }
}

export function deliveryStanding({ state, attempts = 0 }: Pick<WebhookDelivery, "state" | "attempts">): Standing {
  switch (state) {
    case "WEBHOOK_DELIVERY_STATE_DELIVERED":
      return { tone: "ok", label: "Delivered" };
    case "WEBHOOK_DELIVERY_STATE_FAILED":
      return { tone: "bad", label: "Given up" };
    default:
      return attempts === 0 ? { tone: "busy", label: "To be sent" } : { tone: "warn", label: "Trying again" };
  }
}

/** What the receiver said at the last attempt, and how long it took. */
export function answerOf({ statusCode = 0, lastAttemptTime, lastAttemptMillis = 0 }: WebhookDelivery): string {
  if (!lastAttemptTime) return "";
  const took = lastAttemptMillis < 1000 ? `${lastAttemptMillis} ms` : duration(lastAttemptMillis / 1000);
  return `${statusCode === 0 ? "no answer" : statusCode} in ${took}`;
}

const SOON_MS = 10_000;

/** Whether it is sent within moments. */
export function isDue({ state, nextAttemptTime }: WebhookDelivery, now: Date): boolean {
  return state === "WEBHOOK_DELIVERY_STATE_PENDING" && Date.parse(nextAttemptTime ?? "") - now.getTime() < SOON_MS;
}

/** The message's body as people read it; what is no JSON as it is. */
export function readable(body: string): string {
  try {
    return JSON.stringify(JSON.parse(body), undefined, 2);
  } catch (error) {
    if (error instanceof SyntaxError) return body;
    throw error;
  }
}
