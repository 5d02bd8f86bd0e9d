"""What clients are told while the database is away, and that they get on once it is back."""

import asyncio
import uuid
from collections import Counter
from pathlib import Path

import pytest
from cloudly_kit.store import database
from cloudly_kit.testing import Mongo
from cloudly_registry.references import digest_of
from cloudly_registry.testing import running_registry
from cloudly_registry.testing_mix import PatientClient


async def test_a_database_that_is_away_is_unavailable_and_who_comes_again_gets_on(
    scratch: Path, own_mongo: Mongo, redis_url: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "SECONDS", 1.0)  # which is how long a transaction tries before it says so
    async with running_registry(scratch / f"r{uuid.uuid4().hex[:7]}", own_mongo.url, redis_url) as registry:
        client = registry.client()
        digest = await client.push_blob(name, b"here")
        own_mongo.kill()
        paths = [f"blobs/{digest}", "manifests/latest", "tags/list"]
        told = await asyncio.gather(*(client.call("GET", f"/v2/{name}/{path}") for path in paths))
        assert [(answer.status, answer.code) for answer in told] == [(503, "UNAVAILABLE")] * 3
        assert all(answer.headers["Retry-After"] for answer in told)

        counted: Counter[str] = Counter()
        pushing = asyncio.create_task(PatientClient(registry, counted).push_blob(name, b"new"))
        async with asyncio.timeout(60):
            while not counted:
                await asyncio.sleep(0.1)
        own_mongo.start()
        await pushing
        got = await client.call("GET", f"/v2/{name}/blobs/{digest_of(b'new')}")
        assert (got.status, got.body) == (200, b"new")
