"""ImageService: records by hand, for workloads and by pushes; what they tell; deleting and watching them."""

import asyncio

import pytest
from cloudly.common.v1 import watch_pb2
from cloudly.registry.v1 import image_pb2, image_pb2_grpc
from cloudly_kit.errors import (
    AlreadyExists,
    CredentialsMissing,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    StaleEtag,
)
from cloudly_kit.ids import new_id
from cloudly_registry.manifest_format import OCI_INDEX
from cloudly_registry.references import digest_of
from cloudly_registry.testing import Client, Image, Registry, index_of

Stub = image_pb2_grpc.ImageServiceStub


def created(name: str, **fields: str) -> image_pb2.CreateImageRequest:
    return image_pb2.CreateImageRequest(image=image_pb2.Image(name=name), **fields)


async def of_repository(stub: Stub, name: str) -> image_pb2.Image:
    listed = await stub.ListImages(image_pb2.ListImagesRequest(filter=f'repository = "{name}"'))
    assert len(listed.images) == 1
    return listed.images[0]


@pytest.fixture
def short() -> str:
    """A resource name that no other test uses."""
    return f"i-{new_id()[:10]}"


async def test_an_image_is_made_by_hand_and_pushed_to(client: Client, registry: Registry, short: str) -> None:
    async with registry.harness.channel("registry", "admin") as channel:
        stub = Stub(channel)
        made = (await stub.CreateImage(created(short, request_id="r1"))).image
        assert made.repository == f"images/{short}"
        assert (await stub.CreateImage(created(short, request_id="r1"))).image.id == made.id
        with pytest.raises(AlreadyExists):
            await stub.CreateImage(created(short))
        await Image(b"one").push(client, f"images/{short}", "v1")
        found = (await stub.GetImage(image_pb2.GetImageRequest(image_id=made.id))).image
        assert [v.tag for v in found.versions] == ["v1"]
        assert found.etag != made.etag


async def test_versions_tell_what_was_pushed(client: Client, registry: Registry, name: str) -> None:
    amd, arm = Image(b"one", b"shared"), Image(b"two", b"shared", architecture="arm64")
    await amd.push(client, name, "v1")
    await arm.push(client, name)
    operator = registry.client("op")
    body = index_of(amd, arm)
    await operator.push_manifest(name, "v2", body, OCI_INDEX)
    async with registry.harness.channel("registry", "viewer") as channel:
        found = await of_repository(Stub(channel), name)
    newest, first = found.versions
    amd_bytes = len(amd.manifest) + sum(map(len, amd.blobs))
    arm_bytes = len(arm.manifest) + sum(map(len, arm.blobs))
    assert (first.tag, first.digest, first.size_bytes, first.pushed_by) == ("v1", amd.digest, amd_bytes, "admin")
    assert list(first.platforms) == ["linux/amd64"]
    assert (newest.tag, newest.digest, newest.pushed_by) == ("v2", digest_of(body), "op")
    assert (newest.media_type, newest.size_bytes) == (OCI_INDEX, len(body) + amd_bytes + arm_bytes)
    assert list(newest.platforms) == ["linux/amd64", "linux/arm64"]
    assert found.version_count == 2
    shared = len(amd.layers[1])
    assert found.size_bytes == len(body) + amd_bytes + arm_bytes - shared


async def test_deleted_manifests_give_their_bytes_back(client: Client, registry: Registry, name: str) -> None:
    first, second = Image(b"one", b"shared"), Image(b"two", b"shared")
    await first.push(client, name, "v1")
    await second.push(client, name, "v2")
    await client.call("DELETE", f"/v2/{name}/manifests/{first.digest}")
    async with registry.harness.channel("registry", "admin") as channel:
        found = await of_repository(Stub(channel), name)
    assert found.size_bytes == len(second.manifest) + sum(map(len, second.blobs))
    assert [v.tag for v in found.versions] == ["v2"]
    assert found.version_count == 1


async def test_a_moved_tag_is_one_version(client: Client, registry: Registry, name: str) -> None:
    for content in (b"one", b"two", b"three"):
        await Image(content).push(client, name, "latest")
    async with registry.harness.channel("registry", "admin") as channel:
        found = await of_repository(Stub(channel), name)
    assert [(v.tag, v.digest) for v in found.versions] == [("latest", Image(b"three").digest)]
    assert found.version_count == 1


async def test_repositories_whose_names_would_clash_get_different_names(
    client: Client, registry: Registry, short: str
) -> None:
    for repository in (f"{short}/a", f"{short}-a", f"{short}_a"):
        await client.push_blob(repository, b"x")
    async with registry.harness.channel("registry", "admin") as channel:
        names = {(await of_repository(Stub(channel), r)).name for r in (f"{short}/a", f"{short}-a", f"{short}_a")}
    assert len(names) == 3
    assert f"{short}-a" in names


async def test_the_repository_of_a_workload_is_made_once(registry: Registry, name: str) -> None:
    workload, other = new_id(), new_id()
    token = registry.auth.issue(name="clusters", type="service", audience="service")
    async with registry.harness.channel("registry", token=token) as channel:
        stub = Stub(channel)
        request = image_pb2.EnsureRepositoryRequest(repository=name, workload_id=workload)
        answers = await asyncio.gather(*(stub.EnsureRepository(request) for _ in range(5)))
        assert len({answer.image_id for answer in answers}) == 1
        assert answers[0].target == f"{registry.settings.registry_host}/{name}"
        with pytest.raises(AlreadyExists):
            await stub.EnsureRepository(image_pb2.EnsureRepositoryRequest(repository=name, workload_id=other))
    async with registry.harness.channel("registry", "viewer") as channel:
        assert (await of_repository(Stub(channel), name)).workload_id == workload


async def test_a_repository_that_was_pushed_to_first_becomes_the_workloads(
    client: Client, registry: Registry, name: str
) -> None:
    await Image(b"one").push(client, name, "v1")
    token = registry.auth.issue(name="clusters", type="service", audience="service")
    async with registry.harness.channel("registry", token=token) as channel:
        request = image_pb2.EnsureRepositoryRequest(repository=name, workload_id=new_id())
        made = await Stub(channel).EnsureRepository(request)
    async with registry.harness.channel("registry", "viewer") as channel:
        found = await of_repository(Stub(channel), name)
    assert (found.id, found.workload_id, found.version_count) == (made.image_id, request.workload_id, 1)


async def test_an_older_revision_of_pins_is_ignored(client: Client, registry: Registry, name: str) -> None:
    cluster, image = new_id(), Image(b"one")
    await image.push(client, name, "v1")
    token = registry.auth.issue(name="clusters", type="service", audience="service")
    async with (
        registry.harness.channel("registry", token=token) as service,
        registry.harness.channel("registry", "admin") as admin,
    ):
        set_pins = Stub(service).SetPins
        await set_pins(image_pb2.SetPinsRequest(cluster_id=cluster, digests=[image.digest], revision=5))
        await set_pins(image_pb2.SetPinsRequest(cluster_id=cluster, digests=[], revision=4))
        stub = Stub(admin)
        found = await of_repository(stub, name)
        with pytest.raises(FailedPrecondition, match=cluster):
            await stub.DeleteImage(image_pb2.DeleteImageRequest(image_id=found.id))
        assert (await client.call("GET", f"/v2/{name}/manifests/v1")).status == 200
        await set_pins(image_pb2.SetPinsRequest(cluster_id=cluster, digests=[], revision=6))
        await stub.DeleteImage(image_pb2.DeleteImageRequest(image_id=found.id))


async def test_a_deleted_image_is_gone_and_its_name_is_free(client: Client, registry: Registry, name: str) -> None:
    image = Image(b"one")
    await image.push(client, name, "v1")
    async with registry.harness.channel("registry", "admin") as channel, registry.replica() as second:
        other = second.client()
        assert (await other.call("GET", f"/v2/{name}/manifests/v1")).status == 200
        stub = Stub(channel)
        found = await of_repository(stub, name)
        with pytest.raises(StaleEtag):
            await stub.DeleteImage(image_pb2.DeleteImageRequest(image_id=found.id, etag="0" * 16))
        await stub.DeleteImage(image_pb2.DeleteImageRequest(image_id=found.id, etag=found.etag))
        with pytest.raises(NotFound):
            await stub.GetImage(image_pb2.GetImageRequest(image_id=found.id))
        assert (await client.call("GET", f"/v2/{name}/manifests/v1")).code == "NAME_UNKNOWN"
        # Made again, it has nothing of the old one.
        await client.push_blob(name, b"new")
        for each in (client, other):
            assert (await each.call("GET", f"/v2/{name}/manifests/v1")).code == "MANIFEST_UNKNOWN"
            assert (await each.call("GET", f"/v2/{name}/blobs/{digest_of(image.config)}")).code == "BLOB_UNKNOWN"
        assert (await other.call("GET", f"/v2/{name}/blobs/{digest_of(b'new')}")).body == b"new"


async def test_watchers_see_pushes_and_deletions(client: Client, registry: Registry, name: str) -> None:
    await Image(b"one").push(client, name, "v1")
    async with registry.harness.channel("registry", "viewer") as channel, asyncio.timeout(20):
        watch = Stub(channel).WatchImages(image_pb2.WatchImagesRequest())
        before = []
        async for news in watch:
            if news.event == watch_pb2.WATCH_EVENT_BOOKMARK:
                break
            before.append(news.image.repository)
        assert name in before
        await Image(b"two").push(client, name, "v2")
        async for news in watch:
            if news.image.repository == name and news.image.version_count == 2:
                assert news.event == watch_pb2.WATCH_EVENT_CHANGED
                break
        async with registry.harness.channel("registry", "admin") as admin:
            await Stub(admin).DeleteImage(image_pb2.DeleteImageRequest(image_id=news.image.id))
        async for news in watch:
            if news.event == watch_pb2.WATCH_EVENT_DELETED:
                assert news.image.repository == name
                break
        await watch.aclose()


async def test_who_may_call_what(registry: Registry, short: str) -> None:
    async with registry.harness.channel("registry") as channel:
        with pytest.raises(CredentialsMissing):
            await Stub(channel).ListImages(image_pb2.ListImagesRequest())
    async with registry.harness.channel("registry", "viewer") as channel:
        with pytest.raises(PermissionDenied):
            await Stub(channel).CreateImage(created(short))
    async with registry.harness.channel("registry", "admin") as channel:
        with pytest.raises(PermissionDenied):
            await Stub(channel).SetPins(image_pb2.SetPinsRequest(cluster_id=new_id(), revision=1))
        with pytest.raises(InvalidArgument):
            await Stub(channel).CreateImage(created("Not A Name"))
        bad = image_pb2.Image(name=short, repository="../etc")
        with pytest.raises(InvalidArgument):
            await Stub(channel).CreateImage(image_pb2.CreateImageRequest(image=bad))
