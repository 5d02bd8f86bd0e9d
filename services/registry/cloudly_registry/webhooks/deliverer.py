"""Sends what waits, on one replica at a time, and writes down what came of it.

A message is written down as delivered after the receiver has taken it, so a process that dies in between has it sent a
second time: under the same `webhook-id`, by which receivers know it.
"""

import asyncio
import contextlib
import random
from collections.abc import Sequence
from datetime import timedelta

import structlog
from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.errors import NotFound
from cloudly_kit.hints import Hints
from cloudly_kit.leases import Lease, LeaseLost
from cloudly_kit.store import now
from prometheus_client import Counter

from cloudly_registry.webhooks.sending import Outcome, Sender
from cloudly_registry.webhooks.store import DeliveryDocument, DeliveryState, WebhookDocument, WebhookStore

log = structlog.get_logger()

HINT = "registry.webhooks"
"""The hint that something waits to be sent."""

FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 4 * 3600.0
POLL_SECONDS = 5.0
_AT_ONCE = 4
"""Messages that one receiver gets at the same time."""
_BATCH = 50

ATTEMPTS = Counter("cloudly_webhook_attempts_total", "Attempts to deliver a webhook's message.", ["outcome"])


class Deliverer:
    """The loop. A slow receiver holds up nobody but itself."""

    def __init__(self, store: WebhookStore, sender: Sender, lease: Lease, hints: Hints) -> None:
        self._store = store
        self._sender = sender
        self._lease = lease
        self._hints = hints
        self._wake = asyncio.Event()
        self._news = asyncio.Event()

    def recorded(self) -> None:
        """Something waits to be sent: have whichever replica delivers look now."""
        self._news.set()

    async def run(self) -> None:
        """Deliver for ever, whenever this replica has the lease."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._announce())
            group.create_task(self._listen())
            group.create_task(self._lead())

    async def _announce(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            await self._hints.publish(HINT)

    async def _listen(self) -> None:
        async for _ in self._hints.subscribe(HINT):
            self._wake.set()

    async def _lead(self) -> None:
        while True:
            try:
                async with self._lease.held():
                    await self._deliver()
            except LeaseLost:
                log.warning("webhooks.lease_lost")

    async def _deliver(self) -> None:
        busy: set[str] = set()
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                pause = POLL_SECONDS
                for webhook in await self._store.active():
                    if webhook.id in busy:
                        continue
                    waiting = await self._store.pending(webhook.id, _BATCH)
                    due = [one for one in waiting if _seconds_until(one) <= 0]
                    if due:
                        busy.add(webhook.id)
                        group.create_task(self._serve(webhook, due, busy))
                    elif waiting:
                        pause = min(pause, _seconds_until(waiting[0]))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), pause)

    async def _serve(self, webhook: WebhookDocument, due: Sequence[DeliveryDocument], busy: set[str]) -> None:
        places = asyncio.Semaphore(_AT_ONCE)

        async def one(delivery: DeliveryDocument) -> None:
            async with places:
                await self._attempt(webhook, delivery)

        async with asyncio.TaskGroup() as group:
            for delivery in due:
                group.create_task(one(delivery))
        busy.discard(webhook.id)
        self._wake.set()

    async def _attempt(self, webhook: WebhookDocument, delivery: DeliveryDocument) -> None:
        outcome = await self._sender.send(webhook, delivery)
        crashpoint("registry.webhook.after_send")
        after = attempted(delivery, outcome)
        try:
            await self._tell_webhook(webhook.id, after, outcome)
            await self._store.deliveries.change(
                delivery.id,
                # Asked for again meanwhile: then it is sent again.
                lambda found: after if found.etag == delivery.etag else None,
            )
        except NotFound:
            log.info("webhook.deleted_meanwhile", webhook=webhook.id, delivery=delivery.id)
        ATTEMPTS.labels(after.state.value.lower()).inc()
        log.info(
            "webhook.attempted",
            webhook=webhook.id,
            delivery=delivery.id,
            state=after.state.value,
            status=outcome.status_code,
            error=outcome.error,
            took_ms=outcome.millis,
        )

    async def _tell_webhook(self, id: str, delivery: DeliveryDocument, outcome: Outcome) -> None:
        def mutate(found: WebhookDocument) -> WebhookDocument | None:
            return health(found, delivery, outcome)

        after = await self._store.webhooks.change(id, mutate)
        if after.disabled_reason:
            log.warning("webhook.disabled", webhook=id, reason=after.disabled_reason)


def attempted(delivery: DeliveryDocument, outcome: Outcome) -> DeliveryDocument:
    """The delivery after an attempt: done, to be tried again later, or given up."""
    time = now()
    after = delivery.model_copy(
        update={
            "attempts": delivery.attempts + 1,
            "first_attempt_time": delivery.first_attempt_time or time,
            "last_attempt_time": time,
            "last_attempt_millis": outcome.millis,
            "status_code": outcome.status_code,
            "error": outcome.error,
            "next_time": None,
        }
    )
    if not outcome.error:
        after.state = DeliveryState.DELIVERED
        return after
    pause = min(FIRST_PAUSE_SECONDS * 4.0 ** min(delivery.attempts, 10), LONGEST_PAUSE_SECONDS)
    pause = max(pause * random.uniform(0.8, 1.2), float(outcome.wait_seconds))
    next_time = time + timedelta(seconds=pause)
    if outcome.gone or next_time > delivery.retry_until:
        after.state = DeliveryState.FAILED
    else:
        after.next_time = next_time
    return after


def health(webhook: WebhookDocument, delivery: DeliveryDocument, outcome: Outcome) -> WebhookDocument | None:
    """The webhook after an attempt; None where nothing is new about it."""
    if not outcome.error:
        return None if webhook.failing_since is None else _healthy(webhook)
    given_up = delivery.state is DeliveryState.FAILED
    if webhook.failing_since is not None and not given_up:
        return None
    update: dict[str, object] = {
        "failing_since": webhook.failing_since or delivery.last_attempt_time,
        "last_error": outcome.error,
    }
    if outcome.gone:
        update |= {"disabled": True, "disabled_reason": "the receiver answers 410: it wants nothing any more"}
    elif given_up and delivery.first_attempt_time and update["failing_since"] <= delivery.first_attempt_time:  # type: ignore[operator]
        update |= {"disabled": True, "disabled_reason": f"nothing got through for a day: {outcome.error}"}
    return webhook.model_copy(update=update)


def _healthy(webhook: WebhookDocument) -> WebhookDocument:
    return webhook.model_copy(update={"failing_since": None, "last_error": ""})


def _seconds_until(delivery: DeliveryDocument) -> float:
    return 0.0 if delivery.next_time is None else (delivery.next_time - now()).total_seconds()
