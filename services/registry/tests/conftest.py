"""A registry of the test's own: the real service in this process, over a real database, Redis and auth."""

import uuid
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cloudly_kit.objects.testing import ACCESS_KEY, SECRET_KEY, moto_server
from cloudly_registry.blobs import Blobs
from cloudly_registry.cleanup import Cleanup
from cloudly_registry.collector import Collector
from cloudly_registry.fsck import Fsck
from cloudly_registry.testing import Client, Registry, running_registry
from cloudly_registry.testing_mix import collecting_from
from cloudly_registry.uploads import Uploads
from cloudly_registry.webhooks import deliverer
from cloudly_registry.webhooks.testing import Hooks, Receiver, hooks, receiving
from pydantic import SecretStr


@pytest.fixture(scope="module")
def s3_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Settings that lead to a bucket of a moto server."""
    with moto_server(tmp_path_factory.mktemp("moto")) as url:
        yield {"s3_endpoint": url, "s3_access_key": ACCESS_KEY, "s3_secret_key": SecretStr(SECRET_KEY)}


@pytest.fixture(scope="module")
async def registry(
    request: pytest.FixtureRequest, scratch: Path, mongo_url: str, redis_url: str
) -> AsyncIterator[Registry]:
    """A registry that the tests of a file share; each works in repositories of its own (`name`).

    Its objects are in a directory, or where a file asks for it (parameter `s3`) in a bucket.
    """
    settings = request.getfixturevalue("s3_settings") if getattr(request, "param", "") == "s3" else {}
    async with running_registry(scratch / f"r{uuid.uuid4().hex[:7]}", mongo_url, redis_url, **settings) as running:
        yield running


@pytest.fixture
def client(registry: Registry) -> Client:
    """Its admin's client."""
    return registry.client()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver of webhooks."""
    async with receiving() as running:
        yield running


@pytest.fixture
async def admin(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hooks]:
    """Webhooks as an admin sees them; what was not taken is sent again soon."""
    monkeypatch.setattr(deliverer, "FIRST_PAUSE_SECONDS", 0.05)
    async with hooks(registry.harness, "admin") as admin:
        yield admin


@pytest.fixture
def name() -> str:
    """A repository's name that no other test uses."""
    return f"team/r{uuid.uuid4().hex[:8]}"


@pytest.fixture
async def collector(registry: Registry) -> AsyncIterator[Collector]:
    """The registry's collector, with a grace of half a second and a quarantine of one."""
    times = {"grace": timedelta(seconds=0.5), "quarantine": timedelta(seconds=1)}
    async with collecting_from(registry, **times) as collector:
        yield collector


@pytest.fixture
async def fsck(collector: Collector, cleanup: Cleanup) -> Fsck:
    """The registry's check, which keeps damaged bytes for an hour."""
    return Fsck(collector.store, collector.objects, cleanup, collector.quarantine, timedelta(hours=1))


@pytest.fixture
async def cleanup(collector: Collector) -> Cleanup:
    """The registry's cleanup, which spares nothing for its youth."""
    store, objects = collector.store, collector.objects
    uploads = Uploads(store, objects, Blobs(store, objects, collector.quarantine))
    return Cleanup(store, objects, uploads, timedelta(0))
