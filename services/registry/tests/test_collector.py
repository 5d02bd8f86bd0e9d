"""The garbage collector: what it takes, what it leaves, and what comes back."""

import asyncio
import contextlib
import itertools
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from cloudly.registry.v1 import image_pb2, image_pb2_grpc
from cloudly_kit.errors import InvalidArgument
from cloudly_kit.ids import new_id
from cloudly_kit.store import Session, now
from cloudly_registry.blobs import Blobs
from cloudly_registry.collection_report import CollectionReport
from cloudly_registry.collector import Collector
from cloudly_registry.errors import BlobUnknown
from cloudly_registry.fsck import Fsck
from cloudly_registry.manifest_format import OCI_INDEX
from cloudly_registry.references import digest_of
from cloudly_registry.store import RegistryStore
from cloudly_registry.testing import Client, Image, Registry, index_of
from cloudly_registry.testing_mix import Mix

pytestmark = pytest.mark.parametrize("registry", ["directory", "s3"], indirect=True, scope="module")


async def silent(done: int, total: int, what: str) -> None:
    """Progress that nobody reads."""


async def collect(collector: Collector) -> CollectionReport:
    return await collector.run(silent)


async def until_nothing_is_left(collector: Collector) -> None:
    async with asyncio.timeout(30):
        while True:
            # The server's own quarantine lasts for days.
            await collector.store.database.raw("quarantine").update_many({}, {"$set": {"expire_time": now()}})
            report = await collect(collector)
            kept = await collector.store.database.raw("quarantine").find_one({})
            if not report.changes and not report.waiting and kept is None:
                return
            await asyncio.sleep(0.3)


async def get(client: Client, name: str, reference: str) -> int:
    return (await client.call("GET", f"/v2/{name}/manifests/{reference}")).status


async def test_unused_versions_go_by_way_of_quarantine_and_come_back(
    client: Client, registry: Registry, collector: Collector, name: str
) -> None:
    tagged, arm, old = Image(b"kept"), Image(b"arm", architecture="arm64"), Image(b"old")
    for image in (tagged, arm):
        await image.push(client, name)
    await client.push_manifest(name, "v1", index_of(tagged, arm), OCI_INDEX)
    await old.push(client, name, "old")
    await client.call("DELETE", f"/v2/{name}/manifests/old")
    await collect(collector)
    await asyncio.sleep(0.6)
    dry = await collector.run(silent, dry_run=True)
    assert old.digest in [entry["reference"] for entry in dry.result()["entries"]]
    assert await get(client, name, old.digest) == 200, "a dry run takes nothing"
    await collect(collector)
    for _ in range(50):
        if await get(client, name, old.digest) == 404:
            break
    assert await get(client, name, old.digest) == 404
    assert [await get(client, name, r) for r in ("v1", tagged.digest, arm.digest)] == [200, 200, 200]
    async with registry.harness.channel("registry", "admin") as channel:
        images = image_pb2_grpc.ImageServiceStub(channel)
        listed = await images.ListImages(image_pb2.ListImagesRequest(filter=f'repository = "{name}"'))
        before = listed.images[0].size_bytes
        request = image_pb2.RestoreImageVersionRequest(image_id=listed.images[0].id, reference="old")
        assert (await images.RestoreImageVersion(request)).digest == old.digest
        listed = await images.ListImages(image_pb2.ListImagesRequest(filter=f'repository = "{name}"'))
        assert listed.images[0].size_bytes - before == len(old.manifest) + sum(map(len, old.blobs))
    assert (await client.call("GET", f"/v2/{name}/manifests/old")).body == old.manifest
    for blob in old.blobs:
        assert (await client.call("GET", f"/v2/{name}/blobs/{digest_of(blob)}")).body == blob


async def test_an_index_that_waits_keeps_parts_that_were_unused_for_longer(
    client: Client, collector: Collector, name: str
) -> None:
    parts = [Image(f"part{number}".encode(), architecture=each) for number, each in enumerate(("amd64", "arm64"))]
    for part in parts:
        await part.push(client, name)
    body = index_of(*parts)
    await client.push_manifest(name, digest_of(body), body, OCI_INDEX)
    patient = replace(collector, grace=timedelta(hours=1))
    await collect(patient)
    rows = collector.store.database.raw("manifests")
    old = {"$set": {"unused_since": now() - timedelta(hours=2)}}
    await rows.update_many({"digest": {"$in": [part.digest for part in parts]}}, old)
    await collect(patient)
    assert await rows.count_documents({"digest": {"$in": [part.digest for part in parts]}}) == 2
    await rows.update_one({"digest": digest_of(body)}, old)
    await collect(patient)
    assert await rows.count_documents({"digest": {"$in": [digest_of(body), *(part.digest for part in parts)]}}) == 0


class _Overtaken(RegistryStore):
    """A store whose collector takes what was unused just after it was read."""

    async def use(self, collection: str, id: str, session: Session | None = None) -> bool:
        await self.database.raw(collection).delete_one({"_id": id})
        return await super().use(collection, id, session)


async def test_what_the_collector_takes_while_it_is_asked_for_is_not_promised(
    client: Client, collector: Collector, name: str
) -> None:
    blobs = [await client.push_blob(name, b"no manifest has it"), await client.push_blob(name, b"nor this")]
    await collect(collector)  # marks as unused what nothing leads to
    record = await collector.store.image_of(name)
    assert record is not None
    store = _Overtaken(collector.store.database)
    with pytest.raises(BlobUnknown):
        await Blobs(store, collector.objects, collector.quarantine).get(record.id, blobs[0])
    assert await store.transaction(partial(store.missing, "links", record.id, blobs[1:])) == blobs[1:]


async def test_a_push_meets_a_collector_that_takes_the_same_manifests_bytes(
    client: Client, collector: Collector, name: str
) -> None:
    image, store = Image(b"gone and back"), collector.store
    await image.push(client, name)
    record = await store.image_of(name)
    assert record is not None
    row = await store.transaction(partial(store.manifest, record.id, image.digest))
    assert row is not None
    await store.database.raw("manifests").delete_one({"_id": row.id})
    both_wrote = asyncio.Barrier(2)

    async def overlapping(write: Callable[[Session], Awaitable[None]]) -> None:
        runs = itertools.count()

        async def work(session: Session) -> None:
            await write(session)
            if next(runs) == 0:
                with contextlib.suppress(TimeoutError, asyncio.BrokenBarrierError):
                    async with asyncio.timeout(3):  # the other may have to wait until this one ends
                        await both_wrote.wait()

        await store.transaction(work)

    await asyncio.gather(
        overlapping(partial(store.drop_content, image.digest)),
        overlapping(partial(store.put_manifest, row, image.manifest)),
    )
    assert await store.manifest(record.id, image.digest) is not None
    assert await store.content(image.digest) == image.manifest


async def test_a_manifest_whose_bytes_are_lost_stops_neither_the_collector_nor_who_deletes_it(
    client: Client, collector: Collector, name: str
) -> None:
    lost, other, deleted = Image(b"lost"), Image(b"other"), Image(b"deleted", b"two layers")
    for image in (lost, other, deleted):
        await image.push(client, name)
    contents = collector.store.database.raw("contents")
    await contents.delete_many({"_id": {"$in": [lost.digest, deleted.digest]}})
    assert (await client.call("DELETE", f"/v2/{name}/manifests/{deleted.digest}")).status == 202
    hasty = replace(collector, grace=timedelta(0))
    await collect(hasty)  # marks
    await collect(hasty)
    record = await collector.store.image_of(name)
    assert record is not None
    assert (record.size_bytes, await collector.store.manifest_digests(record.id)) == (0, [])


async def test_what_a_cluster_pins_is_left_and_comes_back(
    client: Client, registry: Registry, collector: Collector, name: str
) -> None:
    image, cluster_id = Image(b"pinned"), new_id()
    await image.push(client, name)
    await collect(collector)
    await asyncio.sleep(0.6)
    await collect(collector)
    token = registry.auth.issue(name="clusters", type="service", audience="service")
    async with registry.harness.channel("registry", token=token) as channel:
        pins = image_pb2_grpc.ImageServiceStub(channel)
        await pins.SetPins(image_pb2.SetPinsRequest(cluster_id=cluster_id, digests=[image.digest], revision=1))
        assert await get(client, name, image.digest) == 200
        await asyncio.sleep(1.1)
        await collect(collector)
        await collect(collector)
        assert await get(client, name, image.digest) == 200
        await pins.SetPins(image_pb2.SetPinsRequest(cluster_id=cluster_id, revision=2))
    await until_nothing_is_left(collector)


async def test_a_deleted_image_comes_back_whole(client: Client, registry: Registry, name: str) -> None:
    image = Image(b"whole")
    await image.push(client, name, "v1")
    async with registry.harness.channel("registry", "admin") as channel:
        images = image_pb2_grpc.ImageServiceStub(channel)
        listed = await images.ListImages(image_pb2.ListImagesRequest(filter=f'repository = "{name}"'))
        image_id = listed.images[0].id
        await images.DeleteImage(image_pb2.DeleteImageRequest(image_id=image_id))
        assert await get(client, name, "v1") == 404
        deleted = await images.ListDeletedImageVersions(image_pb2.ListDeletedImageVersionsRequest())
        assert (image_id, "image", name) in [(v.image_id, v.kind, v.reference) for v in deleted.versions]
        await images.RestoreImage(image_pb2.RestoreImageRequest(image_id=image_id))
        for tag in ("v2", "v3"):
            await image.push(client, name, tag)
            await client.call("DELETE", f"/v2/{name}/manifests/{tag}")
        pages, token = [], ""
        for _ in range(2):
            request = image_pb2.ListDeletedImageVersionsRequest(image_id=image_id, page_size=1, page_token=token)
            page = await images.ListDeletedImageVersions(request)
            pages += [(v.kind, v.reference) for v in page.versions]
            token = page.next_page_token
        assert (pages, token) == ([("tag", "v3"), ("tag", "v2")], "")
    assert (await client.call("GET", f"/v2/{name}/manifests/v1")).body == image.manifest


async def test_rules_of_the_image_hold(client: Client, registry: Registry, collector: Collector, name: str) -> None:
    first, second, third = Image(b"1"), Image(b"2"), Image(b"3")
    for tag, image in (("v1", first), ("v2", second), ("ci-1", first), ("ci-2", second), ("ci-3", third)):
        await image.push(client, name, tag)
    record = await collector.store.image_of(name)
    assert record is not None
    async with registry.harness.channel("registry", "admin") as channel:
        images = image_pb2_grpc.ImageServiceStub(channel)
        wished = image_pb2.Image(
            id=record.id,
            immutable_tags=["v*"],
            quota_bytes=record.size_bytes + 100,
            retention=[image_pb2.RetentionRule(tag_pattern="ci-*", keep_last=2)],
        )
        told = await images.UpdateImage(image_pb2.UpdateImageRequest(image=wished))
        assert told.image.retention[0].tag_pattern == "ci-*"
        wished = image_pb2.Image(id=record.id, retention=[image_pb2.RetentionRule(tag_pattern="*")])
        with pytest.raises(InvalidArgument, match="keep_last or keep_days"):
            await images.UpdateImage(image_pb2.UpdateImageRequest(image=wished))
    refused = await third.push(client, name, "v1")
    assert (refused.status, refused.code) == (403, "DENIED")
    assert (await first.push(client, name, "v1")).status == 201, "the same digest again is no move"
    body = b"x" * 5000
    large = await client.upload(name, digest_of(body), body)
    assert (large.status, large.code) == (403, "DENIED")
    assert large.json["errors"][0]["detail"]["quotaBytes"] > 0
    await collect(collector)
    listed = await client.call("GET", f"/v2/{name}/tags/list")
    assert listed.json["tags"] == ["ci-2", "ci-3", "v1", "v2"]


async def test_nothing_alive_is_lost_while_the_collector_runs(
    client: Client, collector: Collector, fsck: Fsck, name: str
) -> None:
    rng = random.Random(7)
    images = [Image(b"part%d" % n, b"shared", architecture=("amd64", "arm64")[n % 2]) for n in range(6)]
    repositories = [f"{name}/{number}" for number in range(3)]
    mixes = [
        Mix(client, own, [other for other in repositories if other != own], images, random.Random(rng.random()))
        for own in repositories
    ]

    async def work(mix: Mix) -> None:
        for _ in range(14):
            await mix.step()
        await mix.clear()

    async def collecting() -> None:
        # Longer than any push of this test takes, also on a busy machine: that is what a grace has to be.
        patient = replace(collector, grace=timedelta(seconds=2.5))
        while True:
            await collect(patient)

    running = asyncio.create_task(collecting())
    try:
        await asyncio.gather(*(work(mix) for mix in mixes))
        assert not running.done(), running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    done = sum((mix.done for mix in mixes), Counter())
    assert set(done) == {"pushes", "mounts", "pulls", "referrers", "tags deleted", "digests deleted"}, done
    # What other tests of this file left tagged stays; of these repositories nothing does.
    await until_nothing_is_left(collector)
    for image in images:
        assert await collector.store.blob(digest_of(image.layers[0])) is None
    patient = replace(fsck.cleanup, keep=timedelta(hours=1))
    assert (await replace(fsck, cleanup=patient).run(silent, deep=True)).faults == {}
