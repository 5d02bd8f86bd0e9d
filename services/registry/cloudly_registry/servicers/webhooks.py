"""WebhookService."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from cloudly.registry.v1 import webhook_pb2 as pb
from cloudly.registry.v1 import webhook_pb2_grpc
from cloudly_kit.errors import InvalidArgument
from cloudly_kit.identity import caller
from cloudly_kit.masks import apply_mask
from cloudly_kit.resources import page_request, request_key, timestamp, with_metadata

from cloudly_registry.webhooks.store import DeliveryDocument, Event, Format, WebhookDocument, WebhookStore
from cloudly_registry.webhooks.webhooks import Webhooks

_OVERLAP_SECONDS = 86_400


class WebhookServicer(webhook_pb2_grpc.WebhookServiceServicer):
    """See proto/cloudly/registry/v1/webhook.proto."""

    def __init__(self, store: WebhookStore, webhooks: Webhooks) -> None:
        self._store = store
        self._webhooks = webhooks

    async def CreateWebhook(self, request: pb.CreateWebhookRequest, context: Any) -> pb.CreateWebhookResponse:
        """Make one."""
        asked = request.webhook
        wished = _with_wish(WebhookDocument(name=asked.name, url=asked.url), asked)
        made, secret = await self._webhooks.create(wished, request_key(request))
        return pb.CreateWebhookResponse(webhook=webhook_message(made), secret=secret)

    async def GetWebhook(self, request: pb.GetWebhookRequest, context: Any) -> pb.GetWebhookResponse:
        """One of them."""
        return pb.GetWebhookResponse(webhook=webhook_message(await self._store.webhooks.get(request.webhook_id)))

    async def ListWebhooks(self, request: pb.ListWebhooksRequest, context: Any) -> pb.ListWebhooksResponse:
        """A page of them."""
        page = await self._store.webhooks.page(["-"], page_request(request))
        return pb.ListWebhooksResponse(webhooks=map(webhook_message, page.items), next_page_token=page.next_page_token)

    async def UpdateWebhook(self, request: pb.UpdateWebhookRequest, context: Any) -> pb.UpdateWebhookResponse:
        """Change one."""

        def change(found: WebhookDocument) -> WebhookDocument:
            return _with_wish(found, apply_mask(webhook_message(found), request.webhook, request.update_mask))

        changed = await self._webhooks.update(request.webhook.id, request.webhook.etag, change)
        return pb.UpdateWebhookResponse(webhook=webhook_message(changed))

    async def DeleteWebhook(self, request: pb.DeleteWebhookRequest, context: Any) -> pb.DeleteWebhookResponse:
        """Delete one."""
        await self._webhooks.delete(request.webhook_id, request.etag)
        return pb.DeleteWebhookResponse()

    async def TestWebhook(self, request: pb.TestWebhookRequest, context: Any) -> pb.TestWebhookResponse:
        """Try one out."""
        tried = await self._webhooks.test(request.webhook_id, caller().actor.name)
        return pb.TestWebhookResponse(delivery=_delivery_message(tried))

    async def RotateWebhookSecret(
        self, request: pb.RotateWebhookSecretRequest, context: Any
    ) -> pb.RotateWebhookSecretResponse:
        """A new secret."""
        seconds = request.overlap_seconds if request.HasField("overlap_seconds") else _OVERLAP_SECONDS
        secret = await self._webhooks.rotate_secret(request.webhook_id, timedelta(seconds=seconds))
        return pb.RotateWebhookSecretResponse(secret=secret)

    async def ListWebhookDeliveries(
        self, request: pb.ListWebhookDeliveriesRequest, context: Any
    ) -> pb.ListWebhookDeliveriesResponse:
        """A page of what was sent and is to be sent."""
        newest_first = replace(page_request(request), order_by="create_time desc")
        page = await self._webhooks.deliveries(request.webhook_id, newest_first)
        return pb.ListWebhookDeliveriesResponse(
            deliveries=map(_delivery_message, page.items), next_page_token=page.next_page_token
        )

    async def RedeliverWebhookDelivery(
        self, request: pb.RedeliverWebhookDeliveryRequest, context: Any
    ) -> pb.RedeliverWebhookDeliveryResponse:
        """Send a message again."""
        asked = await self._webhooks.redeliver(request.webhook_id, request.delivery_id)
        return pb.RedeliverWebhookDeliveryResponse(delivery=_delivery_message(asked))


def webhook_message(document: WebhookDocument) -> pb.Webhook:
    """The record as the contract tells it: without its secrets."""
    state = pb.WEBHOOK_STATE_ACTIVE
    if document.disabled:
        state = pb.WEBHOOK_STATE_DISABLED
    elif document.failing_since is not None:
        state = pb.WEBHOOK_STATE_FAILING
    message = pb.Webhook(
        name=document.name,
        description=document.description,
        url=document.url,
        allow_http=document.allow_http,
        format=pb.WebhookFormat.Value(f"WEBHOOK_FORMAT_{document.format}"),
        ca_certificates=document.ca_certificates,
        events=[pb.WebhookEvent.Value(f"WEBHOOK_EVENT_{event}") for event in document.events],
        repositories=document.repositories,
        disabled=document.disabled,
        state=state,
        state_reason=document.disabled_reason if document.disabled else document.last_error,
        failing_since=timestamp(document.failing_since),
        previous_secret_end_time=timestamp(document.previous_secret_end),
    )
    return with_metadata(message, document)


def _with_wish(document: WebhookDocument, asked: pb.Webhook) -> WebhookDocument:
    return document.model_copy(
        update={
            "name": asked.name,
            "labels": dict(asked.labels),
            "description": asked.description,
            "url": asked.url,
            "allow_http": asked.allow_http,
            "format": _format(asked.format),
            "ca_certificates": asked.ca_certificates,
            "events": [_event(event) for event in asked.events],
            "repositories": list(asked.repositories),
            "disabled": asked.disabled,
        }
    )


def _format(number: "pb.WebhookFormat.ValueType") -> Format:
    return Format(pb.WebhookFormat.Name(number or pb.WEBHOOK_FORMAT_CLOUD_EVENTS).removeprefix("WEBHOOK_FORMAT_"))


def _event(number: "pb.WebhookEvent.ValueType") -> Event:
    if number == pb.WEBHOOK_EVENT_UNSPECIFIED:
        raise InvalidArgument.of(("webhook.events", "must not hold UNSPECIFIED"))
    return Event(pb.WebhookEvent.Name(number).removeprefix("WEBHOOK_EVENT_"))


def _delivery_message(document: DeliveryDocument) -> pb.WebhookDelivery:
    return pb.WebhookDelivery(
        id=document.id,
        webhook_id=document.scope,
        event=pb.WebhookEvent.Value(f"WEBHOOK_EVENT_{document.event}"),
        subject=document.subject,
        state=pb.WebhookDeliveryState.Value(f"WEBHOOK_DELIVERY_STATE_{document.state}"),
        attempts=document.attempts,
        status_code=document.status_code,
        error=document.error,
        create_time=timestamp(document.create_time),
        last_attempt_time=timestamp(document.last_attempt_time),
        next_attempt_time=timestamp(document.next_time),
        body=document.body,
        last_attempt_millis=document.last_attempt_millis,
    )
