"""The registry on S3: the same pushes and pulls, parts in a bucket, and redirects where clients can reach it."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cloudly_kit.objects.testing import ACCESS_KEY, SECRET_KEY, rclone_server
from cloudly_kit.store import Database
from cloudly_registry.blobs import Blobs
from cloudly_registry.documents import Blob
from cloudly_registry.errors import UploadUnknown
from cloudly_registry.manifest_format import OCI_MANIFEST
from cloudly_registry.references import digest_of
from cloudly_registry.store import RegistryStore
from cloudly_registry.testing import Image, Registry, running_registry
from cloudly_registry.testing_mix import collecting_from
from cloudly_registry.uploads import Uploads
from pydantic import SecretStr

from tests.ranges import answers_ranges_as_it_has_to

MIB = 1 << 20


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Settings that lead to a bucket."""
    with rclone_server(tmp_path_factory.mktemp("rclone")) as url:
        yield {"s3_endpoint": url, "s3_access_key": ACCESS_KEY, "s3_secret_key": SecretStr(SECRET_KEY)}


@pytest.fixture(scope="module")
async def on_s3(scratch: Path, mongo_url: str, redis_url: str, s3: dict[str, Any]) -> AsyncIterator[Registry]:
    """A registry whose objects are in a bucket."""
    async with running_registry(scratch / f"r{uuid.uuid4().hex[:7]}", mongo_url, redis_url, **s3) as running:
        yield running


async def test_range_headers_that_do_not_count_are_passed_over(on_s3: Registry, name: str) -> None:
    await answers_ranges_as_it_has_to(on_s3.client(), name)


async def test_an_image_is_pulled_as_it_was_pushed(on_s3: Registry, name: str) -> None:
    client, image = on_s3.client(), Image(random.Random(1).randbytes(20 * MIB), b"two")
    assert (await image.push(client, name, "v1")).status == 201
    for blob in image.blobs:
        pulled = await client.call("GET", f"/v2/{name}/blobs/{digest_of(blob)}")
        assert (pulled.status, pulled.body) == (200, blob)
        head = await client.call("HEAD", f"/v2/{name}/blobs/{digest_of(blob)}")
        assert (head.status, head.headers["Content-Length"]) == (200, str(len(blob)))
    assert not (on_s3.settings.data_dir / "objects").exists()


@pytest.mark.parametrize(
    ("asked", "start", "end"), [("bytes=0-9", 0, 10), ("bytes=70-", 70, 100), ("bytes=-5", 95, 100)]
)
async def test_ranges(on_s3: Registry, name: str, asked: str, start: int, end: int) -> None:
    client, data = on_s3.client(), bytes(range(100))
    digest = await client.push_blob(name, data)
    part = await client.call("GET", f"/v2/{name}/blobs/{digest}", headers={"Range": asked})
    assert (part.status, part.body) == (206, data[start:end])
    assert part.headers["Content-Range"] == f"bytes {start}-{end - 1}/100"
    beyond = await client.call("GET", f"/v2/{name}/blobs/{digest}", headers={"Range": "bytes=100-"})
    assert (beyond.status, beyond.headers["Content-Range"]) == (416, "bytes */100")


async def test_an_upload_goes_on_at_another_replica(on_s3: Registry, name: str) -> None:
    data = random.Random(2).randbytes(12 * MIB + 5)
    async with on_s3.replica() as second:
        clients = [on_s3.client(), second.client()]
        begun = await clients[0].call("POST", f"/v2/{name}/blobs/uploads/")
        location = begun.headers["Location"]
        cuts = [0, 9 * MIB, 9 * MIB + 1, len(data)]
        for number, start in enumerate(cuts[:-1]):
            end = cuts[number + 1]
            moved = await clients[number % 2].call("PATCH", location, data=data[start:end])
            assert (moved.status, moved.headers["Range"]) == (202, f"0-{end - 1}")
        assert (await clients[1].call("PUT", location, params={"digest": digest_of(data)})).status == 201
        for each in clients:
            assert (await each.call("GET", f"/v2/{name}/blobs/{digest_of(data)}")).body == data


async def test_pulls_are_redirected_where_clients_can_reach_the_bucket(
    on_s3: Registry, s3: dict[str, Any], name: str
) -> None:
    digest = await on_s3.client().push_blob(name, b"content")
    async with on_s3.replica(s3_public_endpoint=s3["s3_endpoint"]) as second:
        redirected = await second.client().call("GET", f"/v2/{name}/blobs/{digest}")
        assert redirected.status == 307
        async with on_s3.http.get(redirected.headers["Location"]) as answer:
            assert (answer.status, await answer.read()) == (200, b"content")
        head = await second.client().call("HEAD", f"/v2/{name}/blobs/{digest}")
        assert (head.status, head.headers["Content-Length"]) == (200, "7")


async def test_a_blob_whose_object_is_gone_is_asked_for_again_and_healed_by_the_push(
    on_s3: Registry, s3: dict[str, Any], name: str
) -> None:
    client, image = on_s3.client(), Image(name.encode())
    await image.push(client, name, "v1")
    layer, digest = image.layers[0], digest_of(image.layers[0])
    asked = {"mount": digest, "from": name}
    scope = f"repository:{name}:pull repository:{name}/other:pull,push"
    times = {"grace": timedelta(hours=1), "quarantine": timedelta(hours=1)}
    async with (
        on_s3.replica(s3_public_endpoint=s3["s3_endpoint"]) as redirecting,
        collecting_from(on_s3, **times) as collector,
    ):
        for heal in ("HEAD", "GET", "POST"):
            blob = await collector.store.blob(digest)
            assert blob is not None
            await collector.objects.delete(blob.key)
            async with on_s3.replica() as fresh:  # one that has not seen it yet
                if heal == "HEAD":
                    told = await fresh.client().call("HEAD", f"/v2/{name}/blobs/{digest}")
                    assert told.status == 404
                elif heal == "GET":
                    told = await redirecting.client().call("GET", f"/v2/{name}/blobs/{digest}")
                    assert (told.status, told.code) == (404, "BLOB_UNKNOWN")
                else:
                    path = f"/v2/{name}/other/blobs/uploads/"
                    told = await fresh.client().call("POST", path, params=asked, scope=scope)
                    assert told.status == 202, "an upload instead"
            assert (await client.call("HEAD", f"/v2/{name}/blobs/{digest}")).status == 404, "all replicas know"
            refused = await client.push_manifest(name, "v2", image.manifest, OCI_MANIFEST)
            assert (refused.status, refused.code) == (404, "MANIFEST_BLOB_UNKNOWN")
            assert (await image.push(client, name, "v1")).status == 201
            assert (await client.call("HEAD", f"/v2/{name}/blobs/{digest}")).status == 200
            assert (await client.call("GET", f"/v2/{name}/blobs/{digest}")).body == layer


async def test_a_bucket_that_is_away_is_unavailable_and_heals(
    scratch: Path, mongo_url: str, redis_url: str, name: str, tmp_path: Path
) -> None:
    with rclone_server(tmp_path) as url:
        settings = {"s3_endpoint": url, "s3_access_key": ACCESS_KEY, "s3_secret_key": SecretStr(SECRET_KEY)}
        directory = scratch / f"r{uuid.uuid4().hex[:7]}"
        running = running_registry(directory, mongo_url, redis_url, **settings)
        registry = await running.__aenter__()
        digest = await registry.client().push_blob(name, b"content")
    try:
        client = registry.client()
        begun = await client.call("POST", f"/v2/{name}/blobs/uploads/", params={"digest": digest}, data=b"content")
        assert (begun.status, begun.code) == (503, "UNAVAILABLE")
        assert begun.headers["Retry-After"]
        pulled = await client.call("GET", f"/v2/{name}/blobs/{digest}")
        assert (pulled.status, pulled.code) == (503, "UNAVAILABLE")
        assert (await client.call("HEAD", f"/v2/{name}/blobs/{digest}")).status == 200, "as the records say"
    finally:
        await running.__aexit__(None, None, None)


class Held(RegistryStore):
    """Answers a cancel's question only once something else has happened."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    async def blob_of_upload(self, key: str) -> Blob | None:
        found = await super().blob_of_upload(key)
        self.asked.set()
        await self.go.wait()
        return found


@pytest.mark.parametrize("first", ["the finish", "the cancel"])
async def test_an_upload_that_is_cancelled_while_it_is_finished_is_whole_or_gone(
    on_s3: Registry, name: str, first: str
) -> None:
    data = random.Random(name).randbytes(1000)
    digest = digest_of(data)
    await on_s3.client().push_blob(name, b"something else")
    async with collecting_from(on_s3, grace=timedelta(hours=1), quarantine=timedelta(hours=1)) as collector:
        store, objects = collector.store, collector.objects
        image = await store.image_of(name)
        assert image is not None
        held = Held(store.database)
        finishing = Uploads(store, objects, Blobs(store, objects, collector.quarantine))
        cancelling = Uploads(held, objects, Blobs(held, objects, collector.quarantine))
        upload = await finishing.start(image.id)
        await finishing.append(upload, 0, batches(data))

        async def last() -> AsyncIterator[Sequence[bytes]]:
            # The finish has found the upload: now the cancel finds that there is no blob of it, and takes its time, or not.
            cancels.append(asyncio.create_task(cancelling.cancel(upload)))
            await held.asked.wait()
            if first == "the cancel":
                held.go.set()
                await cancels[0]
            for nothing in ():
                yield nothing

        cancels: list[asyncio.Task[None]] = []
        if first == "the finish":
            blob = await finishing.finish(upload, digest, None, last())
            held.go.set()
            await cancels[0]
            assert b"".join([piece async for piece in objects.get(blob.key)]) == data
        else:
            with pytest.raises(UploadUnknown):
                await finishing.finish(upload, digest, None, last())
        client = on_s3.client()
        here = await client.call("GET", f"/v2/{name}/blobs/{digest}")
        assert (here.status, here.body) == (200, data) if first == "the finish" else here.status == 404
        await client.push_blob(name, data)
        assert (await client.call("GET", f"/v2/{name}/blobs/{digest}")).body == data


async def batches(data: bytes) -> AsyncIterator[Sequence[bytes]]:
    yield [data]


async def test_a_pull_that_finds_nothing_has_the_blob_brought_again(on_s3: Registry, name: str) -> None:
    client, data = on_s3.client(), random.Random(name).randbytes(1000)
    digest = await client.push_blob(name, data)
    await client.push_blob(name, b"something that is there")
    where = f"/v2/{name}/blobs/{digest}"
    async with collecting_from(on_s3, grace=timedelta(hours=1), quarantine=timedelta(hours=1)) as collector:
        blob = await collector.store.blob(digest)
        assert blob is not None
        await collector.objects.delete(blob.key)
    assert (await client.call("GET", where)).status == 404
    assert (await client.call("HEAD", where)).status == 404
    await client.push_blob(name, data)
    assert (await client.call("GET", where)).body == data
