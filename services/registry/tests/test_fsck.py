"""`cloudly registry fsck` on a store that is damaged in every way: what it finds, what it repairs, what it leaves alone."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cloudly.executions.v1 import execution_pb2, execution_pb2_grpc
from cloudly.registry.v1 import image_pb2, image_pb2_grpc
from cloudly_kit.ids import new_id
from cloudly_registry.documents import Blob
from cloudly_registry.fsck import DAMAGED, Fsck
from cloudly_registry.fsck_report import FsckReport
from cloudly_registry.manifest_format import OCI_INDEX
from cloudly_registry.references import digest_of
from cloudly_registry.testing import Client, Image, Registry, index_of
from google.protobuf.json_format import MessageToDict

pytestmark = pytest.mark.parametrize("registry", ["directory", "s3"], indirect=True, scope="module")


async def silent(done: int, total: int, what: str) -> None:
    """Progress that nobody reads."""


async def check(fsck: Fsck, **how: bool) -> FsckReport:
    return await fsck.run(silent, **how)


def entry(report: FsckReport, reference: str) -> dict[str, Any]:
    found = [each for each in report.result()["entries"] if each["reference"] == reference]
    assert len(found) == 1, report.result()
    return dict(found[0])


async def read(fsck: Fsck, key: str) -> bytes:
    return b"".join([piece async for piece in fsck.objects.get(key)])


@pytest.fixture
async def image(client: Client, fsck: Fsck, name: str) -> AsyncIterator[Image]:
    """A pushed image, with the tag v1; after the test nothing may be wrong with the registry."""
    image = Image(name.encode() * 1000)
    assert (await image.push(client, name, "v1")).status == 201
    assert (await check(fsck, deep=True)).faults == {}
    yield image
    await check(fsck, deep=True, repair=True)
    left = await check(fsck, deep=True)
    assert left.faults == {}, left.result()


async def stored(fsck: Fsck, image: Image) -> Blob:
    blob = await fsck.store.blob(digest_of(image.layers[0]))
    assert blob is not None
    return blob


async def lose(fsck: Fsck, blob: Blob, how: str) -> str:
    """Damage a blob's bytes; what a check calls it."""
    if how == "missing":
        await fsck.objects.delete(blob.key)
        return "blob missing"
    whole = await read(fsck, blob.key)
    await fsck.objects.put(blob.key, whole[:-7] if how == "short" else whole[:-1] + bytes([whole[-1] ^ 1]))
    return "blob damaged"


@pytest.mark.parametrize("how", ["missing", "short", "flipped"])
async def test_a_lost_blob_is_told_with_whom_it_hits_and_healed_by_a_push(
    client: Client, fsck: Fsck, image: Image, name: str, how: str
) -> None:
    layer, other = digest_of(image.layers[0]), f"{name}/other"
    for blob in image.blobs:
        mounted = {"mount": digest_of(blob), "from": name}
        scope = f"repository:{other}:pull,push repository:{name}:pull"
        assert (await client.call("POST", f"/v2/{other}/blobs/uploads/", params=mounted, scope=scope)).status == 201
    arm = Image(b"arm", architecture="arm64")
    await arm.push(client, name)
    await client.push_manifest(name, "both", index_of(image, arm), OCI_INDEX)
    blob = await stored(fsck, image)
    fault = await lose(fsck, blob, how)

    shallow = await check(fsck)
    assert shallow.faults == ({} if how == "flipped" else {fault: 1})
    told = await check(fsck, deep=True)
    assert told.faults == {fault: 1}
    found = entry(told, layer)
    assert (sorted(found["repositories"]), sorted(found["tags"])) == ([name, other], [f"{name}:both", f"{name}:v1"])
    assert found["repaired"] == ""
    assert (await fsck.store.blob(layer)) == blob, "without repair nothing changes"

    repaired = entry(await check(fsck, deep=True, repair=True), layer)["repaired"]
    assert repaired.startswith("marked: push it again")
    if how != "missing":
        aside = [found.key async for found in fsck.objects.list(DAMAGED)]
        assert any(key in repaired for key in aside)
        assert await read(fsck, aside[-1])
    assert (await client.call("HEAD", f"/v2/{name}/blobs/{layer}")).status == 404, "a client has to bring it again"
    mount = {"mount": layer, "from": name}
    scope = f"repository:{name}/third:pull,push repository:{name}:pull"
    refused = await client.call("POST", f"/v2/{name}/third/blobs/uploads/", params=mount, scope=scope)
    assert refused.status == 202, "what is lost is not mounted"
    pushed = await client.push_manifest(name, "v2", image.manifest, "application/vnd.oci.image.manifest.v1+json")
    assert (pushed.status, pushed.code) == (404, "MANIFEST_BLOB_UNKNOWN")

    assert (await image.push(client, name, "v2")).status == 201
    for repository in (name, other):
        pulled = await client.call("GET", f"/v2/{repository}/blobs/{layer}")
        assert (pulled.status, pulled.body) == (200, image.layers[0])
    healed = await check(fsck, deep=True, repair=True)
    assert "blob missing" not in healed.faults
    assert "blob damaged" not in healed.faults
    whole = await client.push_manifest(other, "v1", image.manifest, "application/vnd.oci.image.manifest.v1+json")
    assert whole.status == 201, "the other repository's mark is gone too"


async def test_bytes_that_come_back_lose_their_mark(client: Client, fsck: Fsck, image: Image, name: str) -> None:
    blob = await stored(fsck, image)
    await fsck.objects.delete(blob.key)
    await check(fsck, repair=True)
    await fsck.objects.put(blob.key, image.layers[0])
    assert (await check(fsck)).faults == {"blob marked in vain": 1}
    await check(fsck, repair=True)
    pushed = await client.push_manifest(name, "v2", image.manifest, "application/vnd.oci.image.manifest.v1+json")
    assert pushed.status == 201


async def test_a_lost_record_is_made_again(client: Client, fsck: Fsck, image: Image, name: str) -> None:
    blob = await stored(fsck, image)
    await fsck.store.database.raw("blobs").delete_one({"_id": blob.id})
    told = await check(fsck)
    assert told.faults == {"blob without a record": 1, "object that nobody has": 1}
    assert entry(told, blob.id)["tags"] == ["v1"]
    await check(fsck, repair=True)
    again = await fsck.store.blob(blob.id)
    assert again is not None
    assert (again.key, again.size) == (blob.key, blob.size)
    assert (await client.call("GET", f"/v2/{name}/blobs/{blob.id}")).body == image.layers[0]


@pytest.mark.parametrize("how", ["missing", "damaged"])
async def test_a_manifest_that_is_not_its_digest_is_never_handed_out_and_healed_by_a_push(
    registry: Registry, fsck: Fsck, image: Image, name: str, how: str
) -> None:
    contents = fsck.store.database.raw("contents")
    if how == "missing":
        await contents.delete_one({"_id": image.digest})
    else:
        await contents.update_one({"_id": image.digest}, {"$set": {"body": image.manifest[:-1] + b" "}})
    told = await check(fsck)
    assert told.faults == {f"manifest {how}": 1}
    found = entry(told, image.digest)
    assert (found["repositories"], found["tags"]) == ([name], ["v1"])
    async with registry.replica() as fresh:  # one that has nothing in memory
        client = fresh.client()
        for reference in ("v1", image.digest):
            assert (await client.call("GET", f"/v2/{name}/manifests/{reference}")).status == 404
        await check(fsck, repair=True)
        assert (await image.push(client, name, "v1")).status == 201
        assert (await client.call("GET", f"/v2/{name}/manifests/v1")).body == image.manifest


async def test_what_a_manifest_needs_is_linked_again(client: Client, fsck: Fsck, image: Image, name: str) -> None:
    layer = digest_of(image.layers[0])
    await fsck.store.database.raw("links").delete_many({"digest": layer})
    told = await check(fsck)
    assert told.faults == {"reference missing": 1}
    assert entry(told, layer)["tags"] == ["v1"]
    assert (await client.call("GET", f"/v2/{name}/blobs/{layer}")).status == 404
    await check(fsck, repair=True)
    assert (await client.call("GET", f"/v2/{name}/blobs/{layer}")).body == image.layers[0]


async def test_a_part_that_was_deleted_by_hand_is_no_fault(client: Client, fsck: Fsck, name: str) -> None:
    parts = [Image(b"1" + name.encode()), Image(b"2" + name.encode(), architecture="arm64")]
    for part in parts:
        await part.push(client, name)
    await client.push_manifest(name, "v1", index_of(*parts), OCI_INDEX)
    assert (await client.call("DELETE", f"/v2/{name}/manifests/{parts[0].digest}")).status == 202
    assert (await check(fsck, deep=True)).faults == {}


async def test_what_a_copy_has_not_fetched_yet_is_no_fault(client: Client, fsck: Fsck, image: Image, name: str) -> None:
    layer = digest_of(image.layers[0])
    rows, images = fsck.store.database.raw("links"), fsck.store.database.raw("images")
    link = await rows.find_one_and_delete({"digest": layer})
    assert (await check(fsck)).faults == {"reference missing": 1}
    await images.update_one({"repository": name}, {"$set": {"external_registry_id": new_id()}})
    assert (await check(fsck)).faults == {}
    await images.update_one({"repository": name}, {"$set": {"external_registry_id": ""}})
    await rows.insert_one(link)


async def test_a_tag_without_its_manifest_is_told(client: Client, fsck: Fsck, image: Image, name: str) -> None:
    record = await fsck.store.image_of(name)
    assert record is not None
    await fsck.store.database.raw("manifests").delete_one({"_id": f"{record.id}/{image.digest}"})
    told = await check(fsck, repair=True)
    assert told.faults["tag without manifest"] == 1
    assert entry(told, f"{name}:v1")["repaired"] == ""
    assert (await image.push(client, name, "v1")).status == 201


async def test_what_nobody_refers_to_goes_unless_it_is_young(client: Client, fsck: Fsck, image: Image) -> None:
    orphan, body = f"registry/blobs/{new_id()}/{new_id()}", b"manifest of nobody"
    await fsck.objects.put(orphan, b"orphan")
    patient = replace(fsck, cleanup=replace(fsck.cleanup, keep=timedelta(hours=1)))
    young = await check(patient, repair=True)
    assert (young.faults, young.young_orphans) == ({}, 1)
    await fsck.store.database.raw("contents").insert_one({"_id": digest_of(body), "body": body})
    told = await check(fsck)
    assert told.faults == {"object that nobody has": 1, "manifest that nobody has": 1}
    assert await read(fsck, orphan) == b"orphan"
    await check(fsck, repair=True)
    assert await fsck.objects.stat(orphan) is None


async def test_a_check_beside_pushes_and_deletes_finds_nothing(client: Client, fsck: Fsck, name: str) -> None:
    done = asyncio.Event()

    async def pushing(number: int) -> None:
        for round in range(6):
            image = Image(b"%d-%d" % (number, round % 3), b"shared", name.encode())
            assert (await image.push(client, f"{name}/{number}", f"t{round % 2}")).status == 201
            if round % 3 == 2:
                await client.call("DELETE", f"/v2/{name}/{number}/manifests/t0")

    async def pushes() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(3):
                group.create_task(pushing(number))
        done.set()

    running = asyncio.create_task(pushes())
    patient = replace(fsck, cleanup=replace(fsck.cleanup, keep=timedelta(hours=1)))
    checks = 0
    while not done.is_set() and not running.done():
        assert (await check(patient, deep=True, repair=True)).faults == {}
        checks += 1
    await running
    assert checks


async def test_the_command_answers_with_an_execution_that_ends_in_a_report(
    registry: Registry, fsck: Fsck, image: Image, name: str
) -> None:
    blob = await stored(fsck, image)
    await fsck.objects.delete(blob.key)
    async with registry.harness.channel("registry", "admin") as channel, registry.worker(), asyncio.timeout(60):
        images = image_pb2_grpc.ImageServiceStub(channel)
        started = await images.CheckRegistry(image_pb2.CheckRegistryRequest(deep=True, repair=True))
        executions = execution_pb2_grpc.ExecutionServiceStub(channel)
        while True:
            request = execution_pb2.GetExecutionRequest(execution_id=started.execution.id)
            execution = (await executions.GetExecution(request)).execution
            if execution.state == execution_pb2.EXECUTION_STATE_SUCCEEDED:
                break
            assert execution.state in (
                execution_pb2.EXECUTION_STATE_QUEUED,
                execution_pb2.EXECUTION_STATE_RUNNING,
            ), execution
            await asyncio.sleep(0.1)
    result = MessageToDict(execution.result)
    assert result["faults"] == {"blob missing": 1}
    assert result["repaired"] == {"blob missing": 1}
    assert result["entries"][0]["reference"] == blob.id
    assert result["entries"][0]["tags"] == [f"{name}:v1"]
    assert (await image.push(registry.client(), name, "v1")).status == 201
