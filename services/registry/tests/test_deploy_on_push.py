"""The news of a push: told once for each, after it is committed, whatever dies in between; never of what is not."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import redis.asyncio
from cloudly.registry.v1 import push_pb2
from cloudly_kit.events import Event, EventReader
from cloudly_kit.store import Database, Session
from cloudly_kit.testing import Mongo
from cloudly_registry.cleanup import Cleanup
from cloudly_registry.manifest_format import OCI_MANIFEST
from cloudly_registry.references import digest_of
from cloudly_registry.testing import Client, Image, Registry, running_registry
from motor.motor_asyncio import AsyncIOMotorClient

Told = list[push_pb2.ImagePushed]


@asynccontextmanager
async def listening(registry: Registry) -> AsyncIterator[Told]:
    """What the service `clusters` hears."""
    told: Told = []

    async def image_pushed(event: Event, session: Session) -> None:
        push = event.payload(push_pb2.ImagePushed)
        session.after_commit(lambda: told.append(push))

    mongo = AsyncIOMotorClient(registry.settings.mongodb_url.get_secret_value(), tz_aware=True)
    database = Database(mongo, f"t_{uuid.uuid4().hex[:10]}")
    async with redis.asyncio.Redis.from_url(registry.settings.redis_url.get_secret_value()) as client:
        reader = EventReader(
            database, client, source="registry", group="clusters", handlers={"image.pushed": image_pushed}
        )
        task = asyncio.create_task(reader.run())
        try:
            yield told
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await mongo.drop_database(database.name)
            mongo.close()


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.05)


async def test_each_push_of_a_tag_is_told_once(client: Client, registry: Registry, name: str) -> None:
    async with listening(registry) as told:
        one, two = Image(b"one"), Image(b"two")
        await one.push(client, name, "latest")
        await two.push(client, name, "latest")
        await two.push(client, name, "latest")
        await one.push(client, name)  # no tag: no news
        await until(lambda: len([t for t in told if t.repository == name]) >= 3)
        await asyncio.sleep(0.3)
    ours = [t for t in told if t.repository == name]
    assert sorted(t.digest for t in ours) == sorted([one.digest, two.digest, two.digest])
    assert {(t.tag, t.pushed_by) for t in ours} == {("latest", "admin")}
    assert all(t.image_id and t.media_type and t.push_time.seconds for t in ours)


CRASHES = [
    "registry.upload.after_append",
    "registry.upload.before_object",
    "registry.upload.after_object",
    "registry.blob.after_commit",
    "registry.push.after_commit",
]
IN_TRANSACTIONS = ["registry.blob.before_commit", "registry.push.before_commit"]


async def push_in_chunks(client: Client, name: str, image: Image, tag: str) -> None:
    for blob in image.blobs:
        begun = await client.call("POST", f"/v2/{name}/blobs/uploads/")
        moved = await client.call("PATCH", begun.headers["Location"], data=blob)
        await client.call("PUT", moved.headers["Location"], params={"digest": digest_of(blob)})
    await client.push_manifest(name, tag, image.manifest, OCI_MANIFEST)


async def killed_at(registry: Registry, place: str, name: str, image: Image) -> None:
    async with registry.process(CLOUDLY_CRASHPOINT=place) as victim:
        with pytest.raises(aiohttp.ClientError):
            await push_in_chunks(victim.client(), name, image, "latest")
        assert victim.ended is not None
        assert await victim.ended() == 137


async def assert_that_all_is_there(client: Client, name: str, image: Image) -> None:
    assert (await client.call("GET", f"/v2/{name}/manifests/latest")).body == image.manifest
    for blob in image.blobs:
        assert (await client.call("GET", f"/v2/{name}/blobs/{digest_of(blob)}")).body == blob


@pytest.mark.parametrize("place", CRASHES)
async def test_a_push_that_is_killed_leaves_nothing_corrupt(
    client: Client, registry: Registry, name: str, place: str
) -> None:
    image = Image(name.encode() * 5000, b"two" * 1000)
    async with listening(registry) as told:
        await killed_at(registry, place, name, image)
        # What can be seen is right, and the tag is there only with all that it needs.
        for blob in image.blobs:
            seen = await client.call("GET", f"/v2/{name}/blobs/{digest_of(blob)}")
            assert seen.status == 404 or seen.body == blob
        committed = place == "registry.push.after_commit"
        if committed:
            await assert_that_all_is_there(client, name, image)
            await until(lambda: any(t.repository == name for t in told))
        else:
            assert (await client.call("GET", f"/v2/{name}/manifests/latest")).status == 404

        assert (await image.push(client, name, "latest")).status == 201
        await assert_that_all_is_there(client, name, image)
        wanted = 2 if committed else 1
        await until(lambda: len([t for t in told if t.repository == name]) >= wanted)
        await asyncio.sleep(0.2)
    assert [t.digest for t in told if t.repository == name] == [image.digest] * wanted


@pytest.mark.parametrize("place", IN_TRANSACTIONS)
async def test_a_push_that_is_killed_inside_a_transaction_leaves_nothing(
    scratch: Path, own_mongo: Mongo, redis_url: str, name: str, place: str
) -> None:
    image = Image(b"one", b"two")
    async with running_registry(scratch / f"r{name[-7:]}", own_mongo.url, redis_url) as registry:
        client = registry.client()
        await killed_at(registry, place, name, image)
        assert (await client.call("GET", f"/v2/{name}/manifests/latest")).status == 404
        # The server would hold the dead transaction for a minute; restarted, it has forgotten it.
        own_mongo.kill()
        own_mongo.start()
        async with listening(registry) as told:
            assert (await image.push(client, name, "latest")).status == 201
            await assert_that_all_is_there(client, name, image)
            await until(lambda: bool(told))
        assert [t.digest for t in told] == [image.digest]


async def test_a_push_waits_for_a_transaction_that_nobody_ends(client: Client, registry: Registry, name: str) -> None:
    image = Image(b"one")
    await image.push(client, name, "v1")
    mongo: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(registry.settings.mongodb_url.get_secret_value())
    images = mongo[f"{registry.settings.mongodb_name}_registry"]["images"]
    async with await mongo.start_session() as session:
        session.start_transaction()
        await images.update_one({"repository": name}, {"$set": {"description": "held"}}, session=session)
        push = asyncio.create_task(client.push_manifest(name, "v2", image.manifest, OCI_MANIFEST))
        done, _ = await asyncio.wait([push], timeout=20)
        assert not done
        await session.abort_transaction()
    assert (await push).status == 201
    mongo.close()


@pytest.mark.parametrize("registry", ["directory", "s3"], indirect=True, scope="module")
@pytest.mark.parametrize("place", CRASHES[:4])
async def test_what_a_killed_push_left_is_given_back(
    registry: Registry, cleanup: Cleanup, name: str, place: str
) -> None:
    image = Image(name.encode() * 5000)
    await killed_at(registry, place, name, image)

    async def report(done: int, what: str) -> None:
        assert done >= 0
        assert what

    await cleanup.run(report)
    objects = [found async for found in cleanup.objects.list("registry/blobs/")]
    referenced = [await cleanup.store.blob_of_object(found.key) for found in objects]
    assert all(referenced)
    assert await registry.upload_files() == []
    client = registry.client()
    assert (await image.push(client, name, "latest")).status == 201
    for blob in image.blobs:
        assert (await client.call("GET", f"/v2/{name}/blobs/{digest_of(blob)}")).body == blob


async def test_the_cleanup_leaves_alone_what_is_young_or_used(
    client: Client, registry: Registry, cleanup: Cleanup, name: str
) -> None:
    from dataclasses import replace
    from datetime import timedelta

    async def report(done: int, what: str) -> None:
        pass

    image = Image(name.encode())
    await image.push(client, name, "latest")
    begun = await client.call("POST", f"/v2/{name}/blobs/uploads/")
    await client.call("PATCH", begun.headers["Location"], data=b"half")
    await replace(cleanup, keep=timedelta(hours=1)).run(report)
    assert (await client.call("GET", begun.headers["Location"])).headers["Range"] == "0-3"
    await cleanup.run(report)
    assert (await client.call("GET", begun.headers["Location"])).code == "BLOB_UPLOAD_UNKNOWN"
    for blob in image.blobs:
        assert (await client.call("GET", f"/v2/{name}/blobs/{digest_of(blob)}")).body == blob
