"""The documents of webhooks.

webhooks             scope "-"           one a webhook; its secrets sealed
webhook_deliveries   scope the webhook   one a message; gone a week after it was made
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from cloudly_kit.crypto import Sealed
from cloudly_kit.sealed_fields import SealedFor
from cloudly_kit.store import Collection, Database, Document, Index, Page, PageRequest

SECRET = SealedFor("registry.webhooks/{id}")


class Event(StrEnum):
    """What webhooks tell."""

    IMAGE_PUSHED = "IMAGE_PUSHED"
    TAG_MOVED = "TAG_MOVED"
    TAG_DELETED = "TAG_DELETED"
    MANIFEST_DELETED = "MANIFEST_DELETED"
    IMAGE_DELETED = "IMAGE_DELETED"
    TEST = "TEST"


class Format(StrEnum):
    """How a webhook is told."""

    CLOUD_EVENTS = "CLOUD_EVENTS"
    TYPED_REQUEST = "TYPED_REQUEST"


class DeliveryState(StrEnum):
    """Where a message is."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    FAILED = "FAILED"


class WebhookDocument(Document):
    """A webhook."""

    name: str
    description: str = ""
    url: str
    allow_http: bool = False
    format: Format = Format.CLOUD_EVENTS
    ca_certificates: str = ""
    events: list[Event] = []
    repositories: list[str] = []
    disabled: bool = False
    disabled_reason: str = ""
    """Set when it was disabled because nothing got through; empty where a person did it."""
    secret: Annotated[Sealed | None, SECRET] = None
    previous_secret: Annotated[Sealed | None, SECRET] = None
    previous_secret_end: datetime | None = None
    failing_since: datetime | None = None
    last_error: str = ""


class DeliveryDocument(Document):
    """A message for a webhook, which is its scope."""

    event: Event
    subject: str
    body: str
    format: Format = Format.CLOUD_EVENTS
    """Of the body: the webhook's may be another by now."""
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    next_time: datetime | None = None
    retry_until: datetime
    first_attempt_time: datetime | None = None
    """Of those since it was last asked for."""
    last_attempt_time: datetime | None = None
    last_attempt_millis: int = 0
    status_code: int = 0
    error: str = ""
    expire_time: datetime


class WebhookStore:
    """Both collections."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.webhooks = Collection(
            database,
            "webhooks",
            WebhookDocument,
            kind="webhook",
            indexes=[Index("scope", "name", unique=True)],
            orderable=["name", "create_time"],
            filterable=["name", "disabled"],
        )
        self.deliveries = Collection(
            database,
            "webhook_deliveries",
            DeliveryDocument,
            kind="webhook delivery",
            indexes=[Index("scope", "state", "next_time"), Index("expire_time", expire_after_seconds=0)],
            orderable=["create_time"],
            filterable=["state", "event"],
        )

    async def ensure(self) -> None:
        """Make the indexes."""
        await self.webhooks.ensure()
        await self.deliveries.ensure()

    async def active(self) -> list[WebhookDocument]:
        """The webhooks that are sent to; there are never many."""
        return await self.webhooks.find_all(scope="-", disabled=False)

    async def pending(self, webhook_id: str, limit: int) -> list[DeliveryDocument]:
        """What waits to be sent to a webhook, the next first."""
        query = {"scope": webhook_id, "state": DeliveryState.PENDING.value, "live": True}
        cursor = self.database.raw("webhook_deliveries").find(query).sort("next_time", 1).limit(limit)
        return [DeliveryDocument.model_validate(raw) async for raw in cursor]

    async def page(self, webhook_id: str, request: PageRequest) -> Page[DeliveryDocument]:
        """The deliveries of a webhook. Raises as `Collection.page`."""
        return await self.deliveries.page([webhook_id], request)
