"""From the registry's own events to deliveries, in the transaction that remembers the event."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta

from cloudly.registry.v1 import deletion_pb2, push_pb2
from cloudly_kit.events import Event
from cloudly_kit.ids import derived_id
from cloudly_kit.store import Session, now
from google.protobuf.timestamp_pb2 import Timestamp

from cloudly_registry import events
from cloudly_registry.webhooks.messages import Message, concerns, of_deletion, of_push
from cloudly_registry.webhooks.store import DeliveryDocument, WebhookDocument, WebhookStore

READER = "webhooks"
"""The reader of the registry's events."""

RETRIED = timedelta(days=1)
KEPT = timedelta(days=7)


class Recording:
    """Writes deliveries; `recorded` is called once they are committed."""

    def __init__(self, store: WebhookStore, source: str, registry_host: str, recorded: Callable[[], None]) -> None:
        self._store = store
        self._source = source
        self._registry_host = registry_host
        self._recorded = recorded

    def handlers(self) -> Mapping[str, Callable[[Event, Session], Awaitable[None]]]:
        """What to do about each topic."""

        async def pushed(event: Event, session: Session) -> None:
            push = event.payload(push_pb2.ImagePushed)
            await self._record(event.id, of_push(push, self._registry_host, _time(push.push_time)), session)

        async def deleted(event: Event, session: Session) -> None:
            deletion = event.payload(deletion_pb2.ContentDeleted)
            await self._record(event.id, [of_deletion(deletion, _time(deletion.delete_time))], session)

        return {events.IMAGE_PUSHED: pushed, events.CONTENT_DELETED: deleted}

    async def _record(self, event_id: str, messages: Iterable[Message], session: Session) -> None:
        webhooks = await self._store.webhooks.find_all(scope="-", disabled=False, session=session)
        for message in messages:
            for webhook in webhooks:
                if not concerns(webhook, message):
                    continue
                id = derived_id("webhook delivery", event_id, message.event, webhook.id)
                await self._store.deliveries.insert(delivery(id, webhook, message, self._source), session=session)
                session.after_commit(self._recorded)


def delivery(id: str, webhook: WebhookDocument, message: Message, source: str) -> DeliveryDocument:
    """A message for a webhook, to be sent now."""
    time = now()
    return DeliveryDocument(
        id=id,
        scope=webhook.id,
        event=message.event,
        subject=message.subject,
        body=message.body(webhook.format, id, source),
        format=webhook.format,
        next_time=time,
        retry_until=time + RETRIED,
        expire_time=time + KEPT,
    )


def _time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(UTC)
