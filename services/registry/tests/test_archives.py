"""Archives: what real programs write is taken in, what we write real programs read, and half of one leaves nothing."""

import asyncio
import gzip
import io
import json
import lzma
import shutil
import tarfile
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import grpc
import pytest
from cloudly.registry.v1 import image_archive_pb2 as pb
from cloudly.registry.v1 import image_pb2
from cloudly.registry.v1.image_archive_pb2_grpc import ImageArchiveServiceStub
from cloudly.registry.v1.image_pb2_grpc import ImageServiceStub
from cloudly_kit.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from cloudly_registry.archives import tar
from cloudly_registry.cleanup import Cleanup
from cloudly_registry.manifest_format import OCI_INDEX
from cloudly_registry.references import digest_of
from cloudly_registry.testing import Client, Image, Registry, index_of

needs_skopeo = pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")


class Archives:
    """ImageArchiveService as somebody calls it."""

    def __init__(self, channel: grpc.aio.Channel, images: Any) -> None:
        self._rpc: Any = ImageArchiveServiceStub(channel)
        self._images = images

    async def image(self, name: str) -> str:
        """An image without versions; its id."""
        image = image_pb2.Image(name=name.replace("/", "-"), repository=name)
        return str((await self._images.CreateImage(image_pb2.CreateImageRequest(image=image))).image.id)

    async def take(
        self, image_id: str, tag: str, archive: bytes, piece: int = 100_000, present: Sequence[str] = ()
    ) -> str:
        """Import an archive; its digest."""

        async def requests() -> AsyncIterator[pb.ImportImageArchiveRequest]:
            yield pb.ImportImageArchiveRequest(image_id=image_id, tag=tag, present=present)
            for start in range(0, len(archive), piece):
                yield pb.ImportImageArchiveRequest(data=archive[start : start + piece])

        return str((await self._rpc.ImportImageArchive(requests())).digest)

    async def found(self, image_id: str, *digests: str) -> list[str]:
        """Which of these blobs the image has."""
        asked = pb.FindImageBlobsRequest(image_id=image_id, digests=digests)
        return list((await self._rpc.FindImageBlobs(asked)).digests)

    async def take_half(self, image_id: str, archive: bytes) -> None:
        """Import the first half of an archive, and go away."""
        sent = asyncio.Event()

        async def requests() -> AsyncIterator[pb.ImportImageArchiveRequest]:
            yield pb.ImportImageArchiveRequest(image_id=image_id, tag="v1", data=archive[: len(archive) // 2])
            sent.set()
            await asyncio.Event().wait()

        call = asyncio.ensure_future(self._rpc.ImportImageArchive(requests()))
        await sent.wait()
        await asyncio.wait({call}, timeout=0.5)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)

    async def give(self, image_id: str, reference: str, platform: str = "", **part: Any) -> bytes:
        """Export an image, or a part of it."""
        asked = pb.ExportImageArchiveRequest(image_id=image_id, reference=reference, platform=platform, **part)
        return b"".join([answer.data async for answer in self._rpc.ExportImageArchive(asked)])


async def test_a_refusal_is_told_as_it_is_however_much_is_being_sent(archives: "Archives", name: str) -> None:
    image_id = await archives.image(name)
    for _ in range(30):
        # The server refuses the first message while the client sends the others.
        with pytest.raises(InvalidArgument):
            await archives.take(image_id, "-x", bytes(2_000_000), piece=10_000)


@pytest.fixture
async def archives(registry: Registry) -> AsyncIterator[Archives]:
    async with registry.harness.channel("registry", "admin") as channel:
        yield Archives(channel, ImageServiceStub(channel))


async def skopeo(*arguments: str | Path) -> str:
    process = await asyncio.create_subprocess_exec(
        "skopeo", "--insecure-policy", *map(str, arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )  # fmt: skip
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, output.decode()
    return output.decode()


def archive(files: dict[str, bytes], links: dict[str, str] | None = None, format: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as written:
        for name, target in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            written.addfile(entry)
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            written.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def saved(image: Image, *, repeated: bool = False) -> bytes:
    """As `docker save` wrote it before version 25: a directory a layer, manifest.json last."""
    files = {"repositories": b"{}", f"{image_config(image)}.json": image.config}
    links, layers = {}, []
    for number, layer in enumerate(image.layers):
        directory = f"{number:064x}"
        files |= {f"{directory}/VERSION": b"1.0", f"{directory}/json": b"{}", f"{directory}/layer.tar": layer}
        layers.append(f"{directory}/layer.tar")
    if repeated:
        # A layer that is there already is a link to where it is.
        links[f"{'f' * 64}/layer.tar"] = f"../{0:064x}/layer.tar"
        layers[0] = f"{'f' * 64}/layer.tar"
    listed = [{"Config": f"{image_config(image)}.json", "RepoTags": ["team/app:v1"], "Layers": layers}]
    return archive({**files, "manifest.json": json.dumps(listed).encode()}, links)


def image_config(image: Image) -> str:
    return digest_of(image.config).partition(":")[2]


async def pulled(client: Client, name: str, tag: str = "v1") -> dict[str, Any]:
    manifest: dict[str, Any] = (await client.call("GET", f"/v2/{name}/manifests/{tag}")).json
    return manifest


@pytest.mark.parametrize("repeated", [False, True])
async def test_an_archive_of_the_old_layout_becomes_an_image(
    client: Client, archives: Archives, name: str, repeated: bool
) -> None:
    image = Image(b"one" * 100_000, b"two")
    digest = await archives.take(await archives.image(name), "v1", saved(image, repeated=repeated))
    answer = await client.call("GET", f"/v2/{name}/manifests/v1")
    assert answer.headers["Docker-Content-Digest"] == digest
    assert answer.json["config"]["digest"] == digest_of(image.config)
    assert [layer["digest"] for layer in answer.json["layers"]] == [digest_of(layer) for layer in image.layers]
    for blob in image.blobs:
        assert (await client.call("GET", f"/v2/{name}/blobs/{digest_of(blob)}")).body == blob


@pytest.mark.parametrize("piece", [1, 511, 4 << 20])
async def test_how_an_archive_is_cut_into_pieces_does_not_matter(
    client: Client, archives: Archives, name: str, piece: int
) -> None:
    image = Image(b"x")
    await archives.take(await archives.image(name), "v1", saved(image), piece)
    assert (await pulled(client, name))["config"]["digest"] == digest_of(image.config)


@needs_skopeo
async def test_archives_that_skopeo_writes_are_taken_and_ours_it_reads(
    client: Client, archives: Archives, name: str, tmp_path: Path
) -> None:
    image = Image(b"one" * 100_000, b"two")
    image.write(tmp_path / "image")
    id = await archives.image(name)
    await skopeo("copy", f"dir:{tmp_path}/image", f"docker-archive:{tmp_path}/docker.tar:team/app:v1")
    await skopeo("copy", f"dir:{tmp_path}/image", f"oci-archive:{tmp_path}/oci.tar:v1")
    await archives.take(id, "docker", (tmp_path / "docker.tar").read_bytes())
    # An OCI layout has the manifest itself, so the digest stays what it was.
    written = (tmp_path / "oci.tar").read_bytes()
    layout = await archives.take(id, "oci", written)
    with tarfile.open(fileobj=io.BytesIO(written)) as opened:
        listed = json.loads(opened.extractfile("index.json").read())  # type: ignore[union-attr]
    assert layout == listed["manifests"][0]["digest"]
    for tag in ("docker", "oci"):
        (tmp_path / f"{tag}-back.tar").write_bytes(await archives.give(id, tag))
        for transport in ("docker-archive", "oci-archive"):
            target = tmp_path / f"{tag}-{transport}"
            await skopeo("copy", f"{transport}:{tmp_path}/{tag}-back.tar", f"dir:{target}")
            manifest = json.loads((target / "manifest.json").read_bytes())
            config = (target / manifest["config"]["digest"].partition(":")[2]).read_bytes()
            assert json.loads(config)["rootfs"] == json.loads(image.config)["rootfs"]
            assert len(manifest["layers"]) == 2


async def test_an_export_comes_back_in_as_it_was(client: Client, archives: Archives, name: str) -> None:
    image = Image(b"one", b"two" * 1000)
    assert (await image.push(client, name, "v1")).status == 201
    id = (await archives._images.ListImages(image_pb2.ListImagesRequest(filter=f'repository = "{name}"'))).images[0].id
    exported = await archives.give(id, "v1")
    with tarfile.open(fileobj=io.BytesIO(exported)) as opened:
        listed = json.loads(opened.extractfile("manifest.json").read())  # type: ignore[union-attr]
    assert listed[0]["RepoTags"][0].endswith(f"/{name}:v1")
    assert await archives.take(await archives.image(f"{name}/again"), "v1", exported) == image.digest


async def test_an_export_goes_on_behind_any_byte_while_the_tag_means_the_same(
    client: Client, archives: Archives, name: str
) -> None:
    image = Image(b"one" * 1000, b"two" * 50_000)
    id = await archives.image(name)
    await image.push(client, name, "v1")
    whole = await archives.give(id, "v1")
    steps = [*range(0, len(whole), 7919), 511, 512, 513, len(whole) - 1, len(whole)]
    for offset in steps:
        assert await archives.give(id, "v1", offset=offset, digest=image.digest) == whole[offset:]
    with pytest.raises(InvalidArgument, match="behind the end"):
        await archives.give(id, "v1", offset=len(whole) + 1)
    await Image(b"other").push(client, name, "v1")
    with pytest.raises(FailedPrecondition, match="another version"):
        await archives.give(id, "v1", offset=512, digest=image.digest)


async def test_of_an_index_the_platform_that_is_asked_for_is_given(
    client: Client, archives: Archives, name: str
) -> None:
    amd, arm = Image(b"one"), Image(b"two", architecture="arm64")
    for image in (amd, arm):
        await image.push(client, name)
    await client.push_manifest(name, "multi", index_of(arm, amd), OCI_INDEX)
    id = (await archives._images.ListImages(image_pb2.ListImagesRequest(filter=f'repository = "{name}"'))).images[0].id
    again = await archives.image(f"{name}/again")
    assert await archives.take(again, "amd", await archives.give(id, "multi")) == amd.digest
    assert await archives.take(again, "arm", await archives.give(id, "multi", "linux/arm64")) == arm.digest
    with pytest.raises(NotFound):
        await archives.give(id, "multi", "windows/amd64")
    with pytest.raises(NotFound):
        await archives.give(id, "nothing")


def without(exported: bytes, *digests: str) -> bytes:
    """An archive without some of its blobs."""
    with tarfile.open(fileobj=io.BytesIO(exported)) as opened:
        files = {member.name: opened.extractfile(member).read() for member in opened}  # type: ignore[union-attr]
    names = {"blobs/" + digest.replace(":", "/") for digest in digests}
    return archive({name: content for name, content in files.items() if name not in names})


@pytest.mark.parametrize("piece", [1, 100_000])
async def test_an_archive_may_come_through_gzip(client: Client, archives: Archives, name: str, piece: int) -> None:
    image = Image(name.encode() * (10 if piece == 1 else 200_000))
    plain = saved(image)
    packed = gzip.compress(plain[:5000]) + gzip.compress(plain[5000:])  # as several processors pack it
    await archives.take(await archives.image(name), "v1", packed, piece)
    for layer in image.layers:
        assert (await client.call("GET", f"/v2/{name}/blobs/{digest_of(layer)}")).body == layer


async def test_layers_that_are_there_need_not_be_in_the_archive(client: Client, archives: Archives, name: str) -> None:
    image = Image(name.encode() * 1000, b"two" * 1000)
    first, second = (digest_of(layer) for layer in image.layers)
    id = await archives.image(name)
    await image.push(client, name, "v1")
    exported = await archives.give(id, "v1")
    again = await archives.image(f"{name}/again")
    assert await archives.found(again, first, second) == []
    with pytest.raises(InvalidArgument, match="missing|neither"):
        await archives.take(again, "v1", without(exported, first))
    # What had come before is kept, as of a push that broke off; nothing is tagged.
    assert await archives.found(again, first, second) == [second]
    assert (await client.call("GET", f"/v2/{name}/again/manifests/v1")).status == 404
    with pytest.raises(InvalidArgument, match="not here any more"):
        await archives.take(again, "v1", without(exported, first, second), present=[first, second])
    assert await archives.take(again, "v1", without(exported, second), present=[second]) == image.digest
    assert await archives.take(again, "v2", without(exported, first, second), present=[first, second]) == image.digest
    assert len(await archives.give(again, "v2")) > len(image.layers[0]) + len(image.layers[1])


async def test_a_named_layer_that_is_another_is_refused(client: Client, archives: Archives, name: str) -> None:
    image = Image(name.encode() * 1000)
    id = await archives.image(name)
    await image.push(client, name, "v1")
    exported = await archives.give(id, "v1")
    wrong = exported.replace(image.layers[0][:600], b"\1" * 600)
    assert wrong != exported
    with pytest.raises(InvalidArgument, match="digest"):
        await archives.take(await archives.image(f"{name}/again"), "v1", wrong)


def cut(image: Image) -> bytes:
    return saved(image)[:-5000]


def wrong_layer(image: Image) -> bytes:
    content = image.layers[0]
    return saved(image).replace(content[:512], b"\1" * 512)


def two_images(image: Image) -> bytes:
    return archive({"manifest.json": b'[{"Config": "a", "Layers": []}, {"Config": "b", "Layers": []}]'})


def without_layer(image: Image) -> bytes:
    listed = [{"Config": "config.json", "Layers": ["gone.tar"]}]
    return archive({"config.json": image.config, "manifest.json": json.dumps(listed).encode()})


WRONG: list[Callable[[Image], bytes]] = [
    cut,
    wrong_layer,
    two_images,
    without_layer,
    lambda image: gzip.compress(saved(image))[:-20],
    lambda image: gzip.compress(cut(image)),
    lambda image: gzip.compress(saved(image))[:500] + bytes(500),
    lambda image: lzma.compress(saved(image)),
    lambda _: b"",
    lambda _: b"no archive at all" * 100,
    lambda _: archive({"README": b"hello"}),
    lambda _: archive({"manifest.json": b"[1]"}),
    lambda _: archive({"index.json": b'{"manifests": [{}]}'}),
]


@pytest.mark.parametrize("number", range(len(WRONG)))
async def test_what_is_wrong_is_told_and_leaves_nothing_to_see(
    client: Client, archives: Archives, cleanup: Cleanup, name: str, number: int
) -> None:
    id = await archives.image(name)
    with pytest.raises(InvalidArgument) as raised:
        await archives.take(id, "v1", WRONG[number](Image(name.encode() * 1000)))
    assert "archive" in raised.value.message
    assert (await client.call("GET", f"/v2/{name}/manifests/v1")).status == 404
    assert await cleanup.idle_uploads() == 0


async def test_a_client_that_goes_away_in_the_middle_leaves_nothing(
    client: Client, archives: Archives, registry: Registry, name: str
) -> None:
    id = await archives.image(name)
    image = Image(name.encode() * 200_000)
    await archives.take_half(id, saved(image))
    async with asyncio.timeout(20):
        while await registry.upload_files():
            await asyncio.sleep(0.05)
    assert (await client.call("GET", f"/v2/{name}/blobs/{digest_of(image.layers[0])}")).status == 404
    assert await archives.take(id, "v1", saved(image))


async def test_rights_and_rules_are_those_of_a_push(registry: Registry, archives: Archives, name: str) -> None:
    id = await archives.image(name)
    first, second = saved(Image(b"one")), saved(Image(b"two"))
    async with registry.harness.channel("registry", "viewer") as channel:
        viewer = Archives(channel, ImageServiceStub(channel))
        with pytest.raises(PermissionDenied):
            await viewer.take(id, "v1", first)
        await archives.take(id, "v1", first)
        assert await viewer.give(id, "v1")
    update = image_pb2.UpdateImageRequest(image=image_pb2.Image(id=id, immutable_tags=["v*"]))
    update.update_mask.paths.append("immutable_tags")
    await archives._images.UpdateImage(update)
    with pytest.raises(FailedPrecondition, match="immutable"):
        await archives.take(id, "v1", second)
    with pytest.raises(InvalidArgument):
        await archives.take(id, "not a tag", first)
    with pytest.raises(NotFound):
        await archives.take("a" * 20, "v1", first)


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
async def test_long_names_are_read_in_both_formats(format: int) -> None:
    name = f"{'d' * 200}/{'é' * 60}"
    body = archive({name: b"content", "after": b""}, {"link": name}, format)

    async def source() -> AsyncIterator[bytes]:
        yield body

    found = [
        (entry.name, entry.link, b"".join([p async for p in entry.data()])) async for entry in tar.entries(source())
    ]
    assert found == [("link", name, b""), (name, "", b"content"), ("after", "", b"")]
