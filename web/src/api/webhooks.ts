// Webhooks: other systems that are told what happens to images.
import type { Client } from "./client";
import { listAll } from "./list";
import type { CreatedWebhook, Page, Webhook, WebhookDelivery, WebhookWish } from "./records";

const PATH = "/api/v1/webhooks";
const PAGE_SIZE = 50;

export const listWebhooks = (client: Client, signal?: AbortSignal): Promise<Webhook[]> => listAll<Webhook>(client, PATH, "webhooks", {}, signal);

export const getWebhook = (client: Client, id: string, signal?: AbortSignal): Promise<Webhook> => client.call(`${PATH}/${id}`, signal ? { signal } : {});

export const createWebhook = (client: Client, wish: WebhookWish, idempotencyKey: string): Promise<CreatedWebhook> =>
  client.call(PATH, { method: "POST", body: wish, idempotencyKey });

/** Changes the fields that `changes` names; refused when the webhook has changed since it was read. */
export const updateWebhook = (client: Client, { id, etag }: Pick<Webhook, "id" | "etag">, changes: Partial<WebhookWish & { disabled: boolean }>): Promise<Webhook> =>
  client.call(`${PATH}/${id}`, { method: "PATCH", body: changes, query: { updateMask: Object.keys(changes).join(",") }, etag });

export const deleteWebhook = (client: Client, { id }: Webhook): Promise<unknown> => client.call(`${PATH}/${id}`, { method: "DELETE" });

/** Sends a message for trying out, and says what came of it. */
export const testWebhook = (client: Client, { id }: Webhook): Promise<WebhookDelivery> => client.call(`${PATH}/${id}/test`, { method: "POST", body: {} });

/** A new secret; the one before it signs, too, for so many seconds. */
export const rotateSecret = async (client: Client, { id }: Webhook, overlapSeconds: number): Promise<string> =>
  (await client.call<{ secret?: string }>(`${PATH}/${id}/rotate-secret`, { method: "POST", body: { overlapSeconds } })).secret ?? "";

/** The newest `pages` pages of what was sent and is to be sent, and whether there is more. */
export async function listDeliveries(client: Client, id: string, filter: string, pages: number, signal: AbortSignal): Promise<{ deliveries: WebhookDelivery[]; more: boolean }> {
  const deliveries: WebhookDelivery[] = [];
  let pageToken = "";
  for (let read = 0; read < pages && (read === 0 || pageToken !== ""); read += 1) {
    const page = await client.call<Page<"deliveries", WebhookDelivery>>(`${PATH}/${id}/deliveries`, { query: { filter, pageSize: PAGE_SIZE, pageToken }, signal });
    deliveries.push(...(page.deliveries ?? []));
    pageToken = page.nextPageToken ?? "";
  }
  return { deliveries, more: pageToken !== "" };
}

export const redeliver = (client: Client, { id, webhookId = "" }: WebhookDelivery): Promise<WebhookDelivery> =>
  client.call(`${PATH}/${webhookId}/deliveries/${id}/redeliver`, { method: "POST", body: {} });
