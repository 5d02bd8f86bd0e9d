"""The news of a push: told once for each, after it is committed, whatever dies in between; never of what is not."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
import redis.asyncio
from cloudly.registry.v1 import push_pb2
from cloudly_kit.events import Event, EventReader
from cloudly_kit.store import Database, Session
from cloudly_registry.cleanup import Cleanup
from cloudly_registry.references import digest_of
from cloudly_registry.testing import Client, Image, Registry
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
    "registry.blob.before_commit",
    "registry.blob.after_commit",
    "registry.push.before_commit",
    "registry.push.after_commit",
]


async def push_in_chunks(client: Client, name: str, image: Image, tag: str) -> None:
    for blob in image.blobs:
        begun = await client.call("POST", f"/v2/{name}/blobs/uploads/")
        moved = await client.call("PATCH", begun.headers["Location"], data=blob)
        await client.call("PUT", moved.headers["Location"], params={"digest": digest_of(blob)})
    await client.push_manifest(name, tag, image.manifest, "application/vnd.oci.image.manifest.v1+json")


@pytest.mark.parametrize("place", CRASHES)
async def test_a_push_that_is_killed_leaves_nothing_corrupt(
    client: Client, registry: Registry, name: str, place: str
) -> None:
    image = Image(name.encode() * 5000, b"two" * 1000)
    async with listening(registry) as told:
        async with registry.process(CLOUDLY_CRASHPOINT=place) as victim:
            with pytest.raises(aiohttp.ClientError):
                await push_in_chunks(victim.client(), name, image, "latest")
            assert victim.ended is not None
            assert await victim.ended() == 137

        # What can be seen is right, and the tag is there only with all that it needs.
        for blob in image.blobs:
            seen = await client.call("GET", f"/v2/{name}/blobs/{digest_of(blob)}")
            assert seen.status == 404 or seen.body == blob
        tag = await client.call("GET", f"/v2/{name}/manifests/latest")
        committed = place == "registry.push.after_commit"
        assert tag.status == (200 if committed else 404)
        if committed:
            await until(lambda: any(t.repository == name for t in told))

        assert (await image.push(client, name, "latest")).status == 201
        assert (await client.call("GET", f"/v2/{name}/manifests/latest")).body == image.manifest
        for blob in image.blobs:
            assert (await client.call("GET", f"/v2/{name}/blobs/{digest_of(blob)}")).body == blob
        wanted = 2 if committed else 1
        await until(lambda: len([t for t in told if t.repository == name]) >= wanted)
        await asyncio.sleep(0.2)
    assert [t.digest for t in told if t.repository == name] == [image.digest] * wanted


@pytest.mark.parametrize("place", CRASHES[:5])
async def test_what_a_killed_push_left_is_given_back(
    registry: Registry, cleanup: Cleanup, name: str, place: str
) -> None:
    image = Image(name.encode() * 5000)
    async with registry.process(CLOUDLY_CRASHPOINT=place) as victim:
        with pytest.raises(aiohttp.ClientError):
            await push_in_chunks(victim.client(), name, image, "latest")

    async def report(done: int, what: str) -> None:
        assert done >= 0
        assert what

    await cleanup.run(report)
    objects = [found async for found in cleanup.objects.list("registry/blobs/")]
    referenced = [await cleanup.store.blob_of_object(found.key) for found in objects]
    assert all(referenced)
    uploads = registry.settings.data_dir / "objects/.uploads"
    assert [p for p in uploads.rglob("*") if p.is_file()] == []
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
