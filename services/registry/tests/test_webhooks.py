"""Webhooks: signed, told at least once whatever dies, patient with receivers, and to nobody but whom they are for."""

import asyncio
import base64
import hashlib
import hmac
import ssl
import uuid
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cloudly.registry.v1 import webhook_pb2 as pb
from cloudly_kit.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from cloudly_kit.testing import self_signed
from cloudly_registry.testing import Client, Image, Registry
from cloudly_registry.webhooks import signing
from cloudly_registry.webhooks.testing import Hooks, Receiver, hooks, receiving
from google.protobuf.field_mask_pb2 import FieldMask

PUSHED = pb.WEBHOOK_EVENT_IMAGE_PUSHED


def expected(secret: str, headers: dict[str, str], body: bytes) -> str:
    """The signature by the words of the specification: base64(HMAC-SHA256(key, id + "." + timestamp + "." + body))."""
    key = base64.b64decode(secret.split("_", 1)[1])
    content = headers["webhook-id"].encode() + b"." + headers["webhook-timestamp"].encode() + b"." + body
    return "v1," + base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


def test_signatures_are_those_of_the_specifications_example() -> None:
    # The example that the libraries of Standard Webhooks are tested with.
    headers = signing.headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert len(base64.b64decode(signing.new_secret().removeprefix("whsec_"))) == 32


async def test_what_happens_to_an_image_is_told_as_signed_cloud_events(
    client: Client, registry: Registry, admin: Hooks, receiver: Receiver, name: str
) -> None:
    hook = await admin.make(receiver, repositories=[f"{name}*"])
    one, two = Image(b"one"), Image(b"two")
    await one.push(client, name, "v1")
    await two.push(client, name, "v1")
    await two.push(client, "elsewhere/app", "v1")
    await client.call("DELETE", f"/v2/{name}/manifests/v1")
    await client.call("DELETE", f"/v2/{name}/manifests/{one.digest}")
    await receiver.until_got(5)

    for headers, body in receiver.got:
        assert headers["webhook-signature"] == expected(hook.secret, headers, body)
        assert headers["content-type"].startswith("application/cloudevents+json")
        assert "authorization" not in headers
    by_type: dict[str, list[dict[str, Any]]] = {}
    for event in receiver.events:
        assert event["specversion"] == "1.0"
        by_type.setdefault(event["type"], []).append(event)
    assert {kind: len(events) for kind, events in by_type.items()} == {
        "cloudly.image.pushed": 2,
        "cloudly.tag.moved": 1,
        "cloudly.tag.deleted": 1,
        "cloudly.manifest.deleted": 1,
    }
    moved = by_type["cloudly.tag.moved"][0]
    assert moved["subject"] == f"{name}:v1"
    assert (moved["data"]["previousDigest"], moved["data"]["digest"]) == (one.digest, two.digest)
    assert moved["data"]["reference"] == f"{registry.settings.registry_host}/{name}:v1@{two.digest}"
    assert moved["data"]["actor"] == "admin"
    assert by_type["cloudly.tag.deleted"][0]["data"]["reason"] == "deleted"
    assert by_type["cloudly.manifest.deleted"][0]["subject"] == f"{name}@{one.digest}"
    assert len(set(receiver.ids)) == 5
    await admin.until_delivered(hook.webhook.id, 5)


async def test_a_deleted_image_is_told(
    client: Client, registry: Registry, admin: Hooks, receiver: Receiver, name: str
) -> None:
    from cloudly.registry.v1 import image_pb2
    from cloudly.registry.v1.image_pb2_grpc import ImageServiceStub

    await Image(b"one").push(client, name, "v1")
    await admin.make(receiver, events=[pb.WEBHOOK_EVENT_IMAGE_DELETED], repositories=[name])
    async with registry.harness.channel("registry", "admin") as channel:
        images = ImageServiceStub(channel)
        found = await images.ListImages(image_pb2.ListImagesRequest(filter=f'repository = "{name}"'))
        await images.DeleteImage(image_pb2.DeleteImageRequest(image_id=found.images[0].id))
    await receiver.until_got(1)
    assert receiver.events[0]["type"] == "cloudly.image.deleted"
    assert receiver.events[0]["subject"] == name


async def test_a_receiver_that_fails_is_asked_again_with_the_same_id_until_it_heals(
    client: Client, admin: Hooks, receiver: Receiver, name: str
) -> None:
    hook = await admin.make(receiver, events=[PUSHED], repositories=[name])
    receiver.answer = lambda _: web.Response(status=503, text="not now")
    await Image(b"one").push(client, name, "v1")
    await receiver.until_got(2)
    await admin.until_state(hook.webhook.id, pb.WEBHOOK_STATE_FAILING)
    assert "503" in (await admin.get(hook.webhook.id)).state_reason
    receiver.answer = lambda _: web.Response(status=200)
    await admin.until_state(hook.webhook.id, pb.WEBHOOK_STATE_ACTIVE)
    await admin.until_delivered(hook.webhook.id, 1)
    assert len(set(receiver.ids)) == 1
    (delivery,) = await admin.deliveries(hook.webhook.id)
    assert delivery.attempts == len(receiver.got) >= 3
    assert delivery.status_code == 200
    assert not delivery.error
    assert not delivery.HasField("next_attempt_time")


async def test_a_failure_is_not_why_somebody_disabled_a_webhook(
    client: Client, admin: Hooks, receiver: Receiver, name: str
) -> None:
    hook = await admin.make(receiver, events=[PUSHED], repositories=[name])
    receiver.answer = lambda _: web.Response(status=503)
    await Image(b"one").push(client, name, "v1")
    await admin.until_state(hook.webhook.id, pb.WEBHOOK_STATE_FAILING)
    disabled = pb.Webhook(id=hook.webhook.id, disabled=True)
    mask = FieldMask(paths=["disabled"])
    await admin.rpc.UpdateWebhook(pb.UpdateWebhookRequest(webhook=disabled, update_mask=mask))
    found = await admin.get(hook.webhook.id)
    assert (found.state, found.state_reason) == (pb.WEBHOOK_STATE_DISABLED, "")


async def test_a_redirect_is_not_followed(client: Client, admin: Hooks, receiver: Receiver, name: str) -> None:
    async with receiving() as elsewhere:
        receiver.answer = lambda _: web.Response(status=307, headers={"Location": elsewhere.url})
        hook = await admin.make(receiver)
        tried = await admin.test(hook.webhook.id)
        assert tried.state == pb.WEBHOOK_DELIVERY_STATE_FAILED
        assert "redirects are not followed" in tried.error
        assert elsewhere.got == []


async def test_a_receiver_that_is_gone_disables_its_webhook_until_somebody_enables_it(
    client: Client, admin: Hooks, receiver: Receiver, name: str
) -> None:
    hook = await admin.make(receiver, events=[PUSHED], repositories=[name])
    receiver.answer = lambda _: web.Response(status=410)
    await Image(b"one").push(client, name, "v1")
    await admin.until_state(hook.webhook.id, pb.WEBHOOK_STATE_DISABLED)
    found = await admin.get(hook.webhook.id)
    assert "410" in found.state_reason
    (given_up,) = await admin.deliveries(hook.webhook.id)
    assert given_up.state == pb.WEBHOOK_DELIVERY_STATE_FAILED
    redeliver = pb.RedeliverWebhookDeliveryRequest(webhook_id=found.id, delivery_id=given_up.id)
    with pytest.raises(FailedPrecondition):
        await admin.rpc.RedeliverWebhookDelivery(redeliver)
    await Image(b"two").push(client, name, "v1")  # nobody is told of this one

    receiver.answer = lambda _: web.Response()
    enabled = pb.Webhook(id=found.id, disabled=False)
    await admin.rpc.UpdateWebhook(pb.UpdateWebhookRequest(webhook=enabled, update_mask=FieldMask(paths=["disabled"])))
    assert (await admin.get(found.id)).state == pb.WEBHOOK_STATE_ACTIVE
    await admin.rpc.RedeliverWebhookDelivery(redeliver)
    await admin.until_delivered(found.id, 1)
    assert set(receiver.ids) == {given_up.id}


async def test_a_slow_receiver_holds_up_nobody_else(
    client: Client, admin: Hooks, receiver: Receiver, name: str
) -> None:
    async with receiving() as slow:
        slow.hold.clear()
        stuck = await admin.make(slow, events=[PUSHED], repositories=[name])
        await admin.make(receiver, events=[PUSHED], repositories=[name])
        for tag in ("v1", "v2", "v3"):
            await Image(tag.encode()).push(client, name, tag)
        await receiver.until_got(3)
        await slow.until_got(1)
        slow.hold.set()
        await admin.until_delivered(stuck.webhook.id, 3)


async def test_tls_is_checked_and_a_certificate_of_ones_own_can_be_trusted(admin: Hooks, tmp_path: Path) -> None:
    own, key = await asyncio.to_thread(self_signed, tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(own, key)
    async with receiving(context) as secure:
        wrong = await admin.make(secure)
        tried = await admin.test(wrong.webhook.id)
        assert tried.state == pb.WEBHOOK_DELIVERY_STATE_FAILED
        assert "certificate" in tried.error.lower()
        assert secure.got == []
        right = await admin.make(secure, ca_certificates=own.read_text())
        tried = await admin.test(right.webhook.id)
        assert (tried.state, tried.error) == (pb.WEBHOOK_DELIVERY_STATE_DELIVERED, "")
        assert secure.events[0]["type"] == "cloudly.webhook.test"


async def test_a_secret_is_shown_once_and_rotates_with_an_overlap(
    registry: Registry, admin: Hooks, receiver: Receiver
) -> None:
    hook = await admin.make(receiver)
    assert hook.secret.startswith("whsec_")
    id = hook.webhook.id
    second = (await admin.rpc.RotateWebhookSecret(pb.RotateWebhookSecretRequest(webhook_id=id))).secret
    await admin.test(id)
    headers, body = receiver.got[-1]
    both = [expected(secret, headers, body) for secret in (second, hook.secret)]
    assert headers["webhook-signature"].split() == both
    assert (await admin.get(id)).HasField("previous_secret_end_time")

    at_once = pb.RotateWebhookSecretRequest(webhook_id=id, overlap_seconds=0)
    third = (await admin.rpc.RotateWebhookSecret(at_once)).secret
    await admin.test(id)
    headers, body = receiver.got[-1]
    assert headers["webhook-signature"] == expected(third, headers, body)

    from motor.motor_asyncio import AsyncIOMotorClient

    mongo: Any = AsyncIOMotorClient(registry.settings.mongodb_url.get_secret_value())
    raw = await mongo[f"{registry.settings.mongodb_name}_registry"]["webhooks"].find_one({"_id": id})
    assert raw["secret"]
    for secret in (hook.secret, second, third):
        assert secret.removeprefix("whsec_") not in repr(raw)
    mongo.close()


async def test_what_cannot_work_is_refused_with_the_field(registry: Registry, admin: Hooks, receiver: Receiver) -> None:
    hook = await admin.make(receiver)
    for wrong in (
        {"allow_http": False},
        {"url": "https://user:secret@example.test/"},
        {"events": []},
        {"events": [pb.WEBHOOK_EVENT_TEST]},
        {"events": [pb.WEBHOOK_EVENT_UNSPECIFIED]},
        {"events": [PUSHED, PUSHED]},
        {"ca_certificates": "not a certificate"},
        {"repositories": [""]},
    ):
        with pytest.raises(InvalidArgument):
            await admin.make(receiver, **wrong)
    with pytest.raises(AlreadyExists):
        await admin.make(receiver, name=hook.webhook.name)
    async with hooks(registry.harness, "operator") as operator:
        with pytest.raises(PermissionDenied):
            await operator.make(receiver)
        assert (await operator.get(hook.webhook.id)).id == hook.webhook.id
    await admin.rpc.DeleteWebhook(pb.DeleteWebhookRequest(webhook_id=hook.webhook.id))
    with pytest.raises(NotFound):
        await admin.deliveries(hook.webhook.id)


async def test_a_create_that_is_repeated_makes_one_webhook_and_tells_no_secret_again(
    admin: Hooks, receiver: Receiver
) -> None:
    webhook = pb.Webhook(name=f"h{uuid.uuid4().hex[:8]}", url=receiver.url, allow_http=True, events=[PUSHED])
    asked = pb.CreateWebhookRequest(webhook=webhook, request_id=uuid.uuid4().hex)
    first, second = await admin.rpc.CreateWebhook(asked), await admin.rpc.CreateWebhook(asked)
    assert first.webhook.id == second.webhook.id
    assert first.secret
    assert not second.secret


async def test_systems_that_serve_typed_request_are_told_of_pushes_by_the_call_that_they_know(
    client: Client, registry: Registry, admin: Hooks, receiver: Receiver, name: str
) -> None:
    refusal = {"response": None, "error": {"text": "not in the mood", "data": {}}}
    receiver.answer = lambda _: web.json_response(refusal)
    hook = await admin.make(receiver, repositories=[name], events=[PUSHED], format=pb.WEBHOOK_FORMAT_TYPED_REQUEST)
    assert hook.webhook.format == pb.WEBHOOK_FORMAT_TYPED_REQUEST
    await Image(b"one").push(client, name, "v1")
    await admin.until_state(hook.webhook.id, pb.WEBHOOK_STATE_FAILING)
    assert "not in the mood" in (await admin.get(hook.webhook.id)).state_reason
    receiver.answer = lambda _: web.json_response({"response": {}})
    await admin.until_delivered(hook.webhook.id, 1)

    delivered = (await admin.deliveries(hook.webhook.id))[0]
    assert (delivered.attempts, delivered.error) == (len(receiver.got), "")
    headers, body = receiver.got[0]
    assert headers["content-type"] == "application/json"
    assert headers["webhook-signature"] == expected(hook.secret, headers, body)
    assert receiver.events[0] == {
        "method": "servezonestandard_InformAboutNewContainerVersion",
        "request": {
            "containerImageInfo": {
                "registryUrl": registry.settings.registry_host, "tag": name, "version": "v1", "labels": [],
            }
        },
        "response": None,
        "correlation": {"id": delivered.id, "phase": "request"},
    }  # fmt: skip
    with pytest.raises(FailedPrecondition):
        await admin.test(hook.webhook.id)
    with pytest.raises(InvalidArgument):
        await admin.make(receiver, format=pb.WEBHOOK_FORMAT_TYPED_REQUEST)
