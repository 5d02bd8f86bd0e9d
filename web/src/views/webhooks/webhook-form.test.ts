import { expect, it } from "vitest";

import type { Webhook } from "../../api/records";
import { answerOf, changesOf, deliveryStanding, EVENTS, eventsOf, formOf, isDue, readable, wishOf } from "./webhook-form";

const webhook: Webhook = { id: "w", name: "ci", url: "https://ci.example.com/", events: ["WEBHOOK_EVENT_IMAGE_PUSHED", "WEBHOOK_EVENT_TAG_DELETED"], repositories: ["team/*"] };

it("names only what was changed", () => {
  expect(changesOf(webhook, formOf(webhook))).toEqual({});
  const again = { ...formOf(webhook), events: ["WEBHOOK_EVENT_TAG_DELETED", "WEBHOOK_EVENT_IMAGE_PUSHED"], repositories: [{ pattern: "team/*" }, { pattern: " " }] };
  expect(changesOf(webhook, again)).toEqual({});
  expect(changesOf(webhook, { ...formOf(webhook), repositories: [], allowHttp: true })).toEqual({ repositories: [], allowHttp: true });
});

it("offers every event but the one for trying out, and begins with pushes", () => {
  expect(EVENTS).toHaveLength(5);
  expect(wishOf(formOf()).events).toEqual(["WEBHOOK_EVENT_IMAGE_PUSHED"]);
});

it("tells a legacy call of pushes alone, whatever was chosen before", () => {
  const form = { ...formOf(webhook), format: "WEBHOOK_FORMAT_TYPED_REQUEST" } as const;
  expect(eventsOf(form).map(({ value }) => value)).toEqual(["WEBHOOK_EVENT_IMAGE_PUSHED"]);
  expect(changesOf(webhook, form)).toEqual({ format: "WEBHOOK_FORMAT_TYPED_REQUEST", events: ["WEBHOOK_EVENT_IMAGE_PUSHED"] });
  expect(wishOf({ ...form, events: [] }).events).toEqual(["WEBHOOK_EVENT_IMAGE_PUSHED"]);
});

it("says how a message stands", () => {
  expect(deliveryStanding({ state: "WEBHOOK_DELIVERY_STATE_PENDING" }).label).toBe("To be sent");
  expect(deliveryStanding({ state: "WEBHOOK_DELIVERY_STATE_PENDING", attempts: 1 }).label).toBe("Trying again");
  expect(answerOf({ id: "d" })).toBe("");
  expect(answerOf({ id: "d", lastAttemptTime: "2026-01-01T00:00:00Z", statusCode: 503, lastAttemptMillis: 41 })).toBe("503 in 41 ms");
  expect(answerOf({ id: "d", lastAttemptTime: "2026-01-01T00:00:00Z", lastAttemptMillis: 15_020 })).toBe("no answer in 15 s");
});

it("looks more often only at what is sent within moments", () => {
  const now = new Date("2026-01-01T00:00:00Z");
  const pending = { id: "d", state: "WEBHOOK_DELIVERY_STATE_PENDING" } as const;
  expect(isDue({ ...pending, nextAttemptTime: "2026-01-01T00:00:05Z" }, now)).toBe(true);
  expect(isDue({ ...pending, nextAttemptTime: "2026-01-01T04:00:00Z" }, now)).toBe(false);
  expect(isDue({ id: "d", state: "WEBHOOK_DELIVERY_STATE_DELIVERED" }, now)).toBe(false);
});

it("shows a body as people read it", () => {
  expect(readable('{"id":"d"}')).toBe('{\n  "id": "d"\n}');
  expect(readable("no json")).toBe("no json");
});
