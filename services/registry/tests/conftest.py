"""A registry of the test's own: the real service in this process, over a real database, Redis and auth."""

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cloudly_kit.objects import from_settings
from cloudly_kit.store import Database
from cloudly_registry.blobs import Blobs
from cloudly_registry.cleanup import Cleanup
from cloudly_registry.store import RegistryStore
from cloudly_registry.testing import Client, Registry, running_registry
from cloudly_registry.uploads import Uploads
from motor.motor_asyncio import AsyncIOMotorClient


@pytest.fixture(scope="module")
async def registry(scratch: Path, mongo_url: str, redis_url: str) -> AsyncIterator[Registry]:
    """A registry that the tests of a file share; each works in repositories of its own (`name`)."""
    async with running_registry(scratch / f"r{uuid.uuid4().hex[:7]}", mongo_url, redis_url) as running:
        yield running


@pytest.fixture
def client(registry: Registry) -> Client:
    """Its admin's client."""
    return registry.client()


@pytest.fixture
def name() -> str:
    """A repository's name that no other test uses."""
    return f"team/r{uuid.uuid4().hex[:8]}"


@pytest.fixture
async def cleanup(registry: Registry) -> AsyncIterator[Cleanup]:
    """The registry's cleanup, which spares nothing for its youth."""
    settings = registry.settings
    mongo: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(
        settings.mongodb_url.get_secret_value(), tz_aware=True
    )
    store = RegistryStore(Database(mongo, f"{settings.mongodb_name}_registry"))
    async with from_settings(settings) as objects:
        uploads = Uploads(store, objects, Blobs(store, objects))
        yield Cleanup(store, objects, uploads, timedelta(0))
    mongo.close()
