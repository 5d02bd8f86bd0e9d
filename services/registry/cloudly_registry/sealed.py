"""What the registry keeps sealed: all that a rotation of the master key wraps anew."""

from collections.abc import Sequence
from typing import Any

from cloudly_kit.store import Collection, Database

from cloudly_registry.external_registry_store import ExternalRegistryStore
from cloudly_registry.webhooks.store import WebhookStore


def sealed(database: Database) -> Sequence[Collection[Any]]:
    """The collections."""
    return (ExternalRegistryStore(database), WebhookStore(database).webhooks)
