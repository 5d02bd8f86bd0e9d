"""The rules of webhooks: what may be written, secrets that are shown once, trying out, sending again."""

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlsplit

import structlog
from cloudly_kit.crypto import Envelope
from cloudly_kit.errors import FailedPrecondition, InvalidArgument, NotFound
from cloudly_kit.hints import Hints
from cloudly_kit.ids import new_id
from cloudly_kit.store import Page, PageRequest, RequestKey, now

from cloudly_registry.webhooks import signing
from cloudly_registry.webhooks.deliverer import HINT
from cloudly_registry.webhooks.messages import of_test
from cloudly_registry.webhooks.recording import KEPT, RETRIED, delivery
from cloudly_registry.webhooks.sending import Sender, trusting
from cloudly_registry.webhooks.store import (
    SECRET,
    DeliveryDocument,
    DeliveryState,
    Event,
    Format,
    WebhookDocument,
    WebhookStore,
)

log = structlog.get_logger()

MOST = 100
"""Webhooks there may be: each event is matched with all of them."""
Change = Callable[[WebhookDocument], WebhookDocument]


class Webhooks:
    """The records."""

    def __init__(self, store: WebhookStore, envelope: Envelope, sender: Sender, hints: Hints, source: str) -> None:
        self._store = store
        self._envelope = envelope
        self._sender = sender
        self._hints = hints
        self._source = source

    async def create(self, wished: WebhookDocument, request: RequestKey | None) -> tuple[WebhookDocument, str]:
        """Make one; with its secret, which is empty where the request was repeated.

        Raises:
            AlreadyExists: the name is taken.
            InvalidArgument: a field is not possible.
            FailedPrecondition: there are too many.
        """
        if len(await self._store.webhooks.find_all(scope="-")) >= MOST:
            raise FailedPrecondition(f"there may be {MOST} webhooks: delete one first")
        secret = signing.new_secret()
        document = _checked(wished)
        document.secret = self._envelope.seal(secret.encode(), SECRET.context(id=document.id))
        made, repeated = await self._store.webhooks.insert(document, request=request)
        log.info("webhook.created", id=made.id, repeated=repeated)
        return made, "" if repeated else secret

    async def update(self, id: str, etag: str, change: Change) -> WebhookDocument:
        """Change one.

        Raises:
            NotFound, StaleEtag, AlreadyExists, InvalidArgument: as above.
        """

        def mutate(found: WebhookDocument) -> WebhookDocument:
            changed = _checked(change(found))
            if (found.disabled and not changed.disabled) or found.url != changed.url:
                changed = changed.model_copy(update={"failing_since": None, "last_error": ""})
            if not changed.disabled:
                changed.disabled_reason = ""
            return changed

        changed = await self._store.webhooks.change(id, mutate, etag=etag)
        await self._hints.publish(HINT)
        return changed

    async def delete(self, id: str, etag: str) -> None:
        """Delete one. Raises NotFound, StaleEtag."""
        await self._store.webhooks.delete(id, etag=etag)
        log.info("webhook.deleted", id=id)

    async def rotate_secret(self, id: str, overlap: timedelta) -> str:
        """A new secret; the present one signs too until the overlap ends, the one before it no more. Raises NotFound."""
        secret = signing.new_secret()

        def mutate(found: WebhookDocument) -> WebhookDocument:
            sealed = self._envelope.seal(secret.encode(), SECRET.context(id=found.id))
            kept = {"previous_secret": found.secret, "previous_secret_end": now() + overlap} if overlap else {}
            dropped = {"previous_secret": None, "previous_secret_end": None}
            return found.model_copy(update={**dropped, **kept, "secret": sealed})

        await self._store.webhooks.change(id, mutate)
        log.info("webhook.secret_rotated", id=id)
        return secret

    async def test(self, id: str, actor: str) -> DeliveryDocument:
        """Send a message for trying out, once; what came of it. Raises NotFound, FailedPrecondition."""
        webhook = await self._store.webhooks.get(id)
        if webhook.format is Format.TYPED_REQUEST:
            raise FailedPrecondition("legacy systems know no message for trying out: push an image instead")
        tried = delivery(new_id(), webhook, of_test(webhook, actor, now()), self._source)
        outcome = await self._sender.send(webhook, tried)
        tried.state = DeliveryState.FAILED if outcome.error else DeliveryState.DELIVERED
        tried.attempts, tried.next_time, tried.last_attempt_time = 1, None, now()
        tried.status_code, tried.error, tried.last_attempt_millis = outcome.status_code, outcome.error, outcome.millis
        return (await self._store.deliveries.insert(tried))[0]

    async def deliveries(self, id: str, request: PageRequest) -> Page[DeliveryDocument]:
        """A page of a webhook's deliveries. Raises NotFound, and as `Collection.page`."""
        await self._store.webhooks.get(id)
        return await self._store.page(id, request)

    async def redeliver(self, id: str, delivery_id: str) -> DeliveryDocument:
        """Have a message sent again, for another day of attempts.

        Raises:
            NotFound: there is no such webhook, or it has no such delivery.
            FailedPrecondition: the webhook is disabled, or the message was for trying out.
        """
        webhook = await self._store.webhooks.get(id)
        if webhook.disabled:
            raise FailedPrecondition("the webhook is disabled: enable it first")

        def mutate(found: DeliveryDocument) -> DeliveryDocument:
            if found.scope != id:
                raise NotFound("webhook delivery", delivery_id)
            if found.event is Event.TEST:
                raise FailedPrecondition("this message was sent to try the webhook out: test it again")
            time = now()
            return found.model_copy(
                update={
                    "state": DeliveryState.PENDING,
                    "attempts": 0,
                    "next_time": time,
                    "first_attempt_time": None,
                    "retry_until": time + RETRIED,
                    "expire_time": time + KEPT,
                }
            )

        asked = await self._store.deliveries.change(delivery_id, mutate)
        await self._hints.publish(HINT)
        return asked


def _checked(document: WebhookDocument) -> WebhookDocument:
    wrong = []
    parts = urlsplit(document.url)
    if parts.scheme != "https" and not document.allow_http:
        wrong.append(("webhook.url", "must be https; set allow_http to send messages in the clear"))
    if "@" in parts.netloc:
        wrong.append(("webhook.url", "must not hold a login: receivers check the signature instead"))
    if Event.TEST in document.events:
        wrong.append(("webhook.events", "TEST is sent on demand only"))
    if document.format is Format.TYPED_REQUEST and set(document.events) != {Event.IMAGE_PUSHED}:
        wrong.append(("webhook.events", "must be IMAGE_PUSHED alone with the format TYPED_REQUEST"))
    if len(set(document.events)) != len(document.events):
        wrong.append(("webhook.events", "names an event twice"))
    if any(not pattern for pattern in document.repositories):
        wrong.append(("webhook.repositories", "holds an empty pattern"))
    try:
        if document.ca_certificates:
            trusting(document.ca_certificates)
    except ValueError as error:
        wrong.append(("webhook.ca_certificates", str(error)))
    if wrong:
        raise InvalidArgument.of(*wrong)
    return document
