"""A registry of the test's own: the real service in this process, over a real database, Redis and auth."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cloudly_registry.testing import Client, Registry, running_registry


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
