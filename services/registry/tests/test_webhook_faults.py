"""Webhooks where things die, fail, or are not to be reached: each message at least once, and ordinarily once."""

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import redis.asyncio
from cloudly.registry.v1 import webhook_pb2 as pb
from cloudly_kit.store import now
from cloudly_kit.testing import Redis
from cloudly_registry.testing import Client, Image, Registry, running_registry
from cloudly_registry.webhooks.deliverer import Deliverer, attempted, health
from cloudly_registry.webhooks.sending import Outcome, Sender
from cloudly_registry.webhooks.store import DeliveryDocument, DeliveryState, Event, WebhookDocument
from cloudly_registry.webhooks.testing import Hooks, Receiver, hooks

PUSHED = pb.WEBHOOK_EVENT_IMAGE_PUSHED


async def test_two_replicas_deliver_each_message_once(
    client: Client, registry: Registry, admin: Hooks, receiver: Receiver, name: str
) -> None:
    async with registry.replica() as other:
        hook = await admin.make(receiver, events=[PUSHED], repositories=[name])
        image = Image(b"one")
        for tag in range(6):
            await image.push(client if tag % 2 else other.client(), name, f"v{tag}")
        await admin.until_delivered(hook.webhook.id, 6)
    assert len(receiver.ids) == len(set(receiver.ids)) == 6


async def test_a_process_that_dies_between_the_push_and_its_news_loses_nothing(
    registry: Registry, admin: Hooks, receiver: Receiver, name: str
) -> None:
    hook = await admin.make(receiver, events=[PUSHED], repositories=[name])
    image = Image(b"one")
    async with registry.process(CLOUDLY_CRASHPOINT="outbox.after_commit") as victim:
        with pytest.raises(aiohttp.ClientError):
            await image.push(victim.client(), name, "v1")
        assert victim.ended is not None
        assert await victim.ended() == 137
    await admin.until_delivered(hook.webhook.id, 1)
    assert [event["data"]["digest"] for event in receiver.events] == [image.digest]


async def test_a_process_that_dies_after_the_receiver_took_it_has_it_sent_again_under_the_same_id(
    scratch: Path, mongo_url: str, own_redis: Redis, receiver: Receiver, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # This process serves and delivers nothing, so that the victim does.
    monkeypatch.setattr(Deliverer, "run", lambda _: asyncio.Event().wait())
    async with AsyncExitStack() as stack:
        registry = await stack.enter_async_context(
            running_registry(scratch / f"r{name[-7:]}", mongo_url, own_redis.url)
        )
        valkey = await stack.enter_async_context(redis.asyncio.Redis.from_url(own_redis.url))
        await valkey.delete("cloudly.lease.registry.webhooks")
        admin = await stack.enter_async_context(hooks(registry.harness, "admin"))
        hook = await admin.make(receiver, events=[PUSHED], repositories=[name])
        victim = await stack.enter_async_context(registry.process(CLOUDLY_CRASHPOINT="registry.webhook.after_send"))
        await Image(b"one").push(registry.client(), name, "v1")
        assert victim.ended is not None
        assert await asyncio.wait_for(victim.ended(), 45) == 137
        assert len(receiver.got) == 1
        await valkey.delete("cloudly.lease.registry.webhooks")  # it would end by itself, in fifteen seconds
        await stack.enter_async_context(registry.process())
        await admin.until_delivered(hook.webhook.id, 1)
    assert len(receiver.got) == 2
    assert len(set(receiver.ids)) == 1


async def test_denied_networks_are_refused_whatever_name_leads_there(receiver: Receiver) -> None:
    denied = [ip_network("127.0.0.0/8"), ip_network("::1/128")]
    delivery = DeliveryDocument(
        scope="w", event=Event.TEST, subject="x", body="{}", retry_until=now(), expire_time=now()
    )
    envelope: Any = None
    for host in ("127.0.0.1", "localhost", "[::1]"):
        async with Sender(envelope, denied) as sender:
            url = receiver.url.replace("127.0.0.1", host)
            outcome = await sender.send(WebhookDocument(name="w", url=url), delivery)
        assert "webhooks may not go to" in outcome.error
    assert receiver.got == []


def test_a_message_is_given_up_after_a_day_and_its_webhook_disabled_if_nothing_got_through() -> None:
    failed = Outcome(0, "cannot connect", 3)
    webhook = WebhookDocument(name="w", url="https://w.test")
    waiting = DeliveryDocument(
        scope="w",
        event=Event.IMAGE_PUSHED,
        subject="x",
        body="{}",
        retry_until=now() + timedelta(days=1),
        expire_time=now(),
    )
    pauses = []
    for _ in range(20):
        waiting = attempted(waiting, failed)
        webhook = health(webhook, waiting, failed) or webhook
        assert waiting.next_time is not None
        pauses.append((waiting.next_time - now()).total_seconds())
    assert pauses[0] < 10
    assert 3 * 3600 < pauses[-1] < 5 * 3600
    assert webhook.failing_since
    assert not webhook.disabled

    late = attempted(waiting.model_copy(update={"retry_until": now()}), failed)
    assert late.state is DeliveryState.FAILED
    other_got_through = webhook.model_copy(update={"failing_since": now() + timedelta(seconds=1)})
    assert health(other_got_through, late, failed) is not None
    assert not health(other_got_through, late, failed).disabled  # type: ignore[union-attr]
    given_up = health(webhook, late, failed)
    assert given_up is not None
    assert given_up.disabled
    assert "cannot connect" in given_up.disabled_reason

    asked_to_wait = attempted(waiting, Outcome(429, "the receiver answers 429", 3, wait_seconds=3600))
    assert asked_to_wait.next_time is not None
    assert (asked_to_wait.next_time - now()).total_seconds() > 3500
