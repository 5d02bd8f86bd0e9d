"""Archives over REST and by the CLI: what real programs write goes in, what comes out they read, and a half of one never."""

import asyncio
import contextlib
import gzip
import json
import os
import shutil
import tarfile
import threading
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from cloudly_gateway.rest import handler
from cloudly_registry.references import digest_of
from cloudly_registry.testing import Image, Registry

from tests.dockerd import DockerEngine
from tests.e2e.gateway_and_registry import House, house
from tests.images import WebImage, docker_archive, write_oci_layout
from tests.programs import Start, run, start

__all__ = ["house", "start"]
pytestmark = pytest.mark.e2e
needs_skopeo = pytest.mark.skipif(shutil.which("skopeo") is None, reason="skopeo is not installed")
PADDING = 12_000_000
"""So many bytes of layer that an archive is larger than bodies may be elsewhere."""


class Cloudly:
    """The command, as a pipeline runs it."""

    def __init__(self, house: House, directory: Path, url: str = "") -> None:
        self._environment = {
            "XDG_CONFIG_HOME": str(directory),
            "CLOUDLY_URL": url or house.url,
            "CLOUDLY_TOKEN": house.registry.auth.issue("admin"),
        }

    async def __call__(self, *arguments: str | Path, stdin: bytes | None = None, fails: bool = False) -> str:
        return await run("cloudly", *arguments, stdin=stdin, environment=self._environment, fails=fails)


@pytest.fixture
def cloudly(house: House, tmp_path: Path) -> Cloudly:
    return Cloudly(house, tmp_path)


@pytest.fixture
async def image(cloudly: Cloudly) -> str:
    """The name of a new image; its repository is `images/<name>`."""
    name = f"i{uuid.uuid4().hex[:8]}"
    await cloudly("image", "create", name)
    return name


async def files_of(house: House, repository: str, tag: str) -> dict[str, Any]:
    """The manifest behind a tag."""
    answer = await house.registry.client().call("GET", f"/v2/{repository}/manifests/{tag}")
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json
    return found


def layers_in(archive: Path) -> list[bytes]:
    """The layers that an archive's manifest.json names, uncompressed."""
    with tarfile.open(archive) as opened:
        listed = json.load(opened.extractfile("manifest.json"))  # type: ignore[arg-type]
        layers = [opened.extractfile(name).read() for name in listed[0]["Layers"]]  # type: ignore[union-attr]
    return [gzip.decompress(layer) if layer.startswith(b"\x1f\x8b") else layer for layer in layers]


async def written_by_skopeo(kind: str, web: WebImage, directory: Path) -> Path:
    """An archive of either layout."""
    write_oci_layout(web, directory / "layout", "v1")
    archive = directory / f"{kind}.tar"
    await run("skopeo", "--insecure-policy", "copy", f"oci:{directory}/layout:v1", f"{kind}:{archive}:web:v1")
    return archive


@needs_skopeo
@pytest.mark.parametrize("kind", ["docker-archive", "oci-archive"])
async def test_an_archive_of_either_layout_goes_in_and_comes_out(
    house: House, cloudly: Cloudly, image: str, kind: str, tmp_path: Path
) -> None:
    web = WebImage(f"as {kind}", padding=PADDING)
    archive = await written_by_skopeo(kind, web, tmp_path)
    digest = (await cloudly("image", "push-archive", f"{image}:v1", archive)).splitlines()[-1]
    assert digest.startswith("sha256:")
    manifest = await files_of(house, f"images/{image}", "v1")
    assert len(manifest["layers"]) == 1

    for reference in (f"{image}:v1", f"{image}@{digest}"):
        pulled = tmp_path / "pulled.tar"
        await cloudly("image", "pull-archive", reference, pulled)
        assert layers_in(pulled) == [web.layer()]
        assert not (tmp_path / "pulled.tar.part").exists()
    for read_as in ("docker-archive", "oci-archive"):
        told = json.loads(await run("skopeo", "inspect", f"{read_as}:{pulled}"))
        assert told["Architecture"] == "amd64"


@pytest.mark.docker
@pytest.mark.skipif(shutil.which("docker") is None, reason="docker is not installed")
async def test_what_docker_saves_is_pushed_and_what_is_pulled_docker_loads(
    docker_engine: DockerEngine, cloudly: Cloudly, image: str, tmp_path: Path
) -> None:
    docker = ("docker", "-H", docker_engine.host)
    name = f"{image}:saved"
    await run(*docker, "load", stdin=docker_archive(WebImage(f"saved {image}"), name))
    id = await run(*docker, "image", "inspect", "-f", "{{.Id}}", name)
    await run(*docker, "save", "-o", tmp_path / "saved.tar", name)
    await run(*docker, "rmi", name)
    # Through pipes, as in `docker save … | cloudly image push-archive … -`.
    await cloudly("image", "push-archive", image, "-", stdin=(tmp_path / "saved.tar").read_bytes())
    await cloudly("image", "pull-archive", image, tmp_path / "pulled.tar")
    await run(*docker, "load", "-i", tmp_path / "pulled.tar")
    with tarfile.open(tmp_path / "pulled.tar") as opened:
        loaded = json.load(opened.extractfile("manifest.json"))[0]["RepoTags"][0]  # type: ignore[arg-type]
    assert loaded.endswith(f"images/{image}:latest")
    assert await run(*docker, "image", "inspect", "-f", "{{.Id}}", loaded) == id


async def test_what_cannot_be_is_told_and_nothing_is_left(
    house: House, cloudly: Cloudly, image: str, tmp_path: Path
) -> None:
    archive = tmp_path / "web.tar"
    archive.write_bytes(docker_archive(WebImage("web"), "web:v1"))
    broken = tmp_path / "broken.tar"
    broken.write_bytes(archive.read_bytes()[:-20_000])
    pulled = tmp_path / "pulled.tar"
    for arguments, told in (
        (("push-archive", f"{image}:v1", broken), "archive"),
        (("push-archive", f"{image}:-x", archive), "tag"),
        (("push-archive", "no-such-image:v1", archive), "there is no image named"),
        (("push-archive", f"{image}@sha256:{'1' * 64}", archive), "under a tag"),
        (("pull-archive", f"{image}:v1", pulled), "v1"),
    ):
        assert told in await cloudly("image", *arguments, fails=True)
    assert not pulled.exists()
    assert (await house.registry.client().call("GET", f"/v2/images/{image}/manifests/v1")).status == 404
    assert await until_no_uploads(house.registry)

    headers = {"Authorization": f"Bearer {house.registry.auth.issue('viewer')}"}
    id = json.loads(await cloudly("image", "get", image, "-o", "json"))["id"]
    where = f"{house.url}/api/v1/images/{id}/archives"
    http = house.registry.http
    async with http.post(where, params={"tag": "v1"}, data=archive.read_bytes(), headers=headers) as answer:
        assert (answer.status, (await answer.json())["reason"]) == (403, "PERMISSION_DENIED")
    async with http.post(where, params={"tag": "v1"}, data=archive.read_bytes()) as answer:
        assert answer.status == 401
    async with http.get(f"{where}/v1", headers=headers) as answer:
        assert (answer.status, (await answer.json())["reason"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize("how", ["goes away", "falls silent"])
async def test_a_client_that_does_not_go_on_leaves_nothing(
    house: House, cloudly: Cloudly, image: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = json.loads(await cloudly("image", "get", image, "-o", "json"))["id"]
    headers = {"Authorization": f"Bearer {house.registry.auth.issue('admin')}"}
    content = docker_archive(WebImage("web", padding=PADDING), "web:v1")
    sent = asyncio.Event()

    async def half() -> AsyncIterator[bytes]:
        yield content[: len(content) // 2]
        sent.set()
        await asyncio.Event().wait()

    async def push() -> int:
        where = f"{house.url}/api/v1/images/{id}/archives"
        async with (
            aiohttp.ClientSession() as http,
            http.post(where, params={"tag": "v1"}, data=half(), headers=headers) as answer,
        ):
            return answer.status

    if how == "falls silent":
        monkeypatch.setattr(handler, "IDLE_SECONDS", 2.0)
        assert (await push(), sent.is_set()) == (504, True)
    else:
        pushing = asyncio.create_task(push())
        await sent.wait()
        assert await until(house.registry, lambda files: bool(files))
        pushing.cancel()
    assert await until_no_uploads(house.registry)
    assert (await house.registry.client().call("GET", f"/v2/images/{image}/manifests/v1")).status == 404


async def test_a_push_ends_when_the_login_behind_it_does_and_leaves_nothing(
    house: House, start: Start, cloudly: Cloudly, image: str, tmp_path: Path
) -> None:
    content = docker_archive(WebImage("web", padding=PADDING), "web:v1")
    token = house.registry.auth.issue("admin", session=f"s-{image}")
    arriving = tmp_path / "arriving"
    os.mkfifo(arriving)
    environment = {"XDG_CONFIG_HOME": str(tmp_path), "CLOUDLY_URL": house.url, "CLOUDLY_TOKEN": token}
    running = await start("cloudly", "image", "push-archive", f"{image}:v1", arriving, environment=environment)
    over = threading.Event()

    def write() -> None:
        with contextlib.suppress(BrokenPipeError), arriving.open("wb", buffering=0) as pipe:
            pipe.write(content[: len(content) // 2])
            over.wait(120)
            pipe.write(content[len(content) // 2 :])

    writing = asyncio.create_task(asyncio.to_thread(write))
    assert await until(house.registry, lambda files: any(path.stat().st_size for path in files))
    await house.revoke(f"s-{image}")
    # While the client has nothing more to send.
    assert await until_no_uploads(house.registry)
    over.set()
    told = (await asyncio.wait_for(running.communicate(), 60))[1].decode()
    await writing
    assert (running.returncode, "revoked" in told.lower()) == (3, True), told
    assert (await house.registry.client().call("GET", f"/v2/images/{image}/manifests/v1")).status == 404


async def test_a_pull_that_breaks_off_is_no_file(house: House, cloudly: Cloudly, image: str, tmp_path: Path) -> None:
    archive = tmp_path / "web.tar"
    archive.write_bytes(docker_archive(WebImage("torn", padding=PADDING + 100_000), "web:v1"))
    await cloudly("image", "push-archive", f"{image}:v1", archive)
    layer = (await files_of(house, f"images/{image}", "v1"))["layers"][0]
    # Its bytes are cut in the store, so that they end too soon.
    (stored,) = [path for path in await stored_files(house.registry, "") if path.stat().st_size == layer["size"]]
    await asyncio.to_thread(os.truncate, stored, layer["size"] // 2)
    pulled = tmp_path / "pulled.tar"
    assert "not all here" in await cloudly("image", "pull-archive", f"{image}:v1", pulled, fails=True)
    assert list(tmp_path.glob("pulled.tar*")) == []


@dataclass
class Cutting:
    """A way to the gateway on which requests and answers with archives break off after so many bytes."""

    target: str
    up: list[int] = field(default_factory=list)
    down: list[int] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    """The bytes of each archive on its way up."""
    refused: int = 0
    """How many questions for blobs find nobody, as while a server is started again."""
    until: Callable[[], Awaitable[None]] | None = None
    """What a cut waits for."""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._handle, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        first = head.partition(b"\r\n")[0]
        if self.refused and b"/blobs?" in first and self.sent:
            self.refused -= 1
            writer.close()
            return
        target = urlsplit(self.target)
        to_reader, to_writer = await asyncio.open_connection(target.hostname, target.port)
        to_writer.write(head.replace(b"Connection: keep-alive", b"Connection: close"))
        up, down = [], []
        if b"/archives" in first:
            up, down = (self.up, []) if first.startswith(b"POST") else ([], self.down)
        pumps = {
            asyncio.create_task(self._pump(reader, to_writer, up, first.startswith(b"POST"))),
            asyncio.create_task(self._pump(to_reader, writer, down, False)),
        }
        _, pending = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        for each in (writer, to_writer):
            each.close()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limits: list[int], counted: bool
    ) -> None:
        left = limits.pop(0) if limits else 1 << 60
        if counted:
            self.sent.append(0)
        while left > 0 and (piece := await reader.read(min(left, 1 << 16))):
            left -= len(piece)
            if counted:
                self.sent[-1] += len(piece)
            writer.write(piece)
            await writer.drain()
        if left == 0 and self.until is not None:
            await self.until()


async def test_a_pull_goes_on_where_the_connection_broke(
    house: House, cloudly: Cloudly, image: str, tmp_path: Path
) -> None:
    archive = tmp_path / "web.tar"
    archive.write_bytes(docker_archive(WebImage("resumed", padding=PADDING), "web:v1"))
    await cloudly("image", "push-archive", f"{image}:v1", archive)
    await cloudly("image", "pull-archive", f"{image}:v1", tmp_path / "whole.tar")
    async with Cutting(house.url, down=[5_000_000, 4_000_000, 10]).serving() as url:
        told = await Cloudly(house, tmp_path, url)("image", "pull-archive", f"{image}:v1", tmp_path / "resumed.tar")
    assert told.count("going on there") == 3
    assert (tmp_path / "resumed.tar").read_bytes() == (tmp_path / "whole.tar").read_bytes()


async def test_a_push_that_broke_off_sends_only_the_layers_that_are_missing(
    house: House, cloudly: Cloudly, image: str, tmp_path: Path
) -> None:
    content, client = Image(b"1" * 6_000_000, b"2" * 7_000_000), house.registry.client()
    await content.push(client, f"images/{image}", "v1")
    archive, again = tmp_path / "web.tar", f"{image}-again"
    await cloudly("image", "pull-archive", f"{image}:v1", archive)
    await cloudly("image", "create", again)

    async def first_is_there() -> None:
        path = f"/v2/images/{again}/blobs/{digest_of(content.layers[0])}"
        async with asyncio.timeout(60):
            while (await client.call("HEAD", path)).status != 200:
                await asyncio.sleep(0.05)

    cutting = Cutting(house.url, up=[9_000_000], refused=3, until=first_is_there)
    async with cutting.serving() as url:
        through = Cloudly(house, tmp_path, url)
        told = await through("image", "push-archive", f"{again}:v1", archive)
        assert told.count("going on with what is missing") == 2
        assert cutting.refused == 0
        assert "1 of 2 large layers are there already" in told
        assert told.splitlines()[-1] == content.digest
        assert "2 of 2 large" in await through("image", "push-archive", f"{again}:v2", archive)
    assert 7_000_000 < cutting.sent[1] < 8_000_000
    assert cutting.sent[2] < 100_000
    for tag in ("v1", "v2"):
        assert (await client.call("GET", f"/v2/images/{again}/manifests/{tag}")).body == content.manifest


async def stored_files(registry: Registry, under: str) -> list[Path]:
    """The object store's files."""
    root = registry.settings.data_dir / "objects" / under
    return await asyncio.to_thread(lambda: [path for path in root.rglob("*") if path.is_file()])


async def until(registry: Registry, condition: Callable[[list[Path]], bool]) -> bool:
    """Wait for a state of the uploads."""
    async with asyncio.timeout(60):
        while not condition(await stored_files(registry, ".uploads")):
            await asyncio.sleep(0.1)
    return True


async def until_no_uploads(registry: Registry) -> bool:
    """Wait until no upload is left."""
    return await until(registry, lambda files: not files)
