"""An object store that is slow, fails every third call, breaks off or is full: clear errors, nothing corrupt or lost."""

import asyncio
import contextlib
import errno
import os
import random
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cloudly_kit.objects import DirectoryStore
from cloudly_kit.testing import free_port
from cloudly_registry import presence
from cloudly_registry.blobs import Blobs
from cloudly_registry.cleanup import Cleanup
from cloudly_registry.fsck import Fsck
from cloudly_registry.http import sendfile, sending
from cloudly_registry.manifest_format import OCI_MANIFEST
from cloudly_registry.references import digest_of
from cloudly_registry.testing import Client, Image, Registry, running_registry
from cloudly_registry.testing_mix import collecting_from
from cloudly_registry.uploads import Uploads

MIB = 1 << 20


@dataclass
class FaultyProxy:
    """Stands before a real S3 server and spoils what passes."""

    target: str
    url: str = ""
    mode: str = "none"
    spoilt: int = 0
    calls: int = 0
    http: aiohttp.ClientSession = field(init=False)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["FaultyProxy"]:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        app = web.Application(client_max_size=0)
        app.router.add_route("*", "/{path:.*}", self.handle)
        runner = web.AppRunner(app, access_log=None, auto_decompress=False)
        async with aiohttp.ClientSession(auto_decompress=False) as self.http:
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", port).start()
            try:
                yield self
            finally:
                await runner.cleanup()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.calls += 1
        body = await request.read()
        if self.mode == "third" and self.calls % 3 == 0:
            return self._error(503, "SlowDown")
        if self.mode == "full" and request.method in ("PUT", "POST"):
            return self._error(507, "InsufficientStorage")
        if self.mode == "slow":
            await asyncio.sleep(0.2)
        headers = {name: value for name, value in request.headers.items() if name.lower() != "content-length"}
        url = self.target + request.raw_path
        async with self.http.request(
            request.method, url, data=body, headers=headers, skip_auto_headers=["Accept"]
        ) as got:
            content = await got.read()
            dropped = {"transfer-encoding", "connection", "content-length", "date", "server"}
            kept = {name: value for name, value in got.headers.items() if name.lower() not in dropped}
            response = web.StreamResponse(status=got.status, headers=kept)
            response.content_length = int(got.headers.get("Content-Length", len(content)))
            await response.prepare(request)
            if self.mode == "torn" and request.method == "GET" and len(content) > MIB:
                self.spoilt += 1
                await response.write(content[: len(content) // 2])
                assert request.transport is not None
                request.transport.abort()
                return response
            await response.write(content)
            await response.write_eof()
            return response

    def _error(self, status: int, code: str) -> web.Response:
        self.spoilt += 1
        body = f"<Error><Code>{code}</Code><Message>spoilt</Message></Error>"
        return web.Response(status=status, text=body, content_type="application/xml")


@pytest.fixture
async def proxy(s3_settings: dict[str, Any]) -> AsyncIterator[FaultyProxy]:
    async with FaultyProxy(s3_settings["s3_endpoint"]).serving() as running:
        yield running


@pytest.fixture
async def registry(
    proxy: FaultyProxy, s3_settings: dict[str, Any], scratch: Path, mongo_url: str, redis_url: str
) -> AsyncIterator[Registry]:
    """A registry whose bucket is behind the proxy."""
    settings = {**s3_settings, "s3_endpoint": proxy.url, "s3_bucket": f"b{uuid.uuid4().hex[:8]}"}
    async with running_registry(scratch / f"r{uuid.uuid4().hex[:7]}", mongo_url, redis_url, **settings) as running:
        yield running
        proxy.mode = "none"


async def silent(*_: Any) -> None:
    """Progress that nobody reads."""


async def try_push(client: Client, name: str, data: bytes) -> bool:
    """Push a blob as a client without patience does; whether it was acknowledged. Refusals have to be clear."""
    params = {"digest": digest_of(data)}
    begun = await client.call("POST", f"/v2/{name}/blobs/uploads/")
    if begun.status != 202:
        assert (begun.status, begun.code) == (503, "UNAVAILABLE"), begun.body
        return False
    done = await client.call("PUT", begun.headers["Location"], params=params, data=data)
    if done.status != 201:
        assert (done.status, done.code) == (503, "UNAVAILABLE"), done.body
        assert done.headers["Retry-After"]
    return done.status == 201


async def pulled(client: Client, name: str, data: bytes) -> bytes:
    return (await client.call("GET", f"/v2/{name}/blobs/{digest_of(data)}")).body


@pytest.mark.parametrize("mode", ["slow", "third"])
async def test_a_store_that_is_slow_or_fails_every_third_call_loses_nothing(
    client: Client, proxy: FaultyProxy, fsck: Any, name: str, mode: str
) -> None:
    blobs = [random.Random(number).randbytes(200_000 if number else 17 * MIB) for number in range(5)]
    proxy.mode = mode
    acknowledged = [await try_push(client, name, blob) for blob in blobs]
    for blob, there in zip(blobs, acknowledged, strict=True):
        if there:
            assert await pulled(client, name, blob) == blob
    proxy.mode = "none"
    for blob, there in zip(blobs, acknowledged, strict=True):
        head = await client.call("HEAD", f"/v2/{name}/blobs/{digest_of(blob)}")
        assert (head.status == 200) == there
        assert await try_push(client, name, blob)
        assert await pulled(client, name, blob) == blob
    image = Image(b"one")
    proxy.mode = mode
    while not await try_image(client, name, image):
        assert mode == "third"
    assert (await client.call("GET", f"/v2/{name}/manifests/{image.digest}")).body == image.manifest
    proxy.mode = "none"
    report = await fsck.run(silent, deep=True)
    assert set(report.faults) <= {"object that nobody has"}, report.result()
    assert (proxy.spoilt > 0) == (mode == "third")


async def test_whether_a_blob_is_there_is_asked_once_and_not_for_long(
    client: Client, proxy: FaultyProxy, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = [await client.push_blob(name, data) for data in (b"1", b"2")]
    before = proxy.calls
    for _ in range(5):
        assert (await client.call("HEAD", f"/v2/{name}/blobs/{first}")).status == 200
    assert proxy.calls == before + 1
    monkeypatch.setattr(presence, "_PATIENCE_SECONDS", 0.01)
    proxy.mode = "slow"
    assert (await client.call("HEAD", f"/v2/{name}/blobs/{second}")).status == 200, "the record is believed"


async def test_a_pull_that_the_store_breaks_off_goes_on_or_ends_without_a_wrong_byte(
    client: Client, registry: Registry, proxy: FaultyProxy, name: str
) -> None:
    data = random.Random(1).randbytes(6 * MIB)
    await client.push_blob(name, data)
    proxy.mode = "torn"
    # Each answer is torn after half of what was asked for, so that it goes on until little is left.
    assert await pulled(client, name, data) == data
    assert proxy.spoilt > 1


async def test_a_store_that_goes_away_in_the_middle_of_a_pull_ends_the_connection(
    client: Client, registry: Registry, proxy: FaultyProxy, name: str
) -> None:
    data = random.Random(2).randbytes(24 * MIB)
    digest = await client.push_blob(name, data)
    token = await client.token(f"repository:{name}:pull")
    headers = {"Authorization": f"Bearer {token}"}
    proxy.mode = "torn"
    received = bytearray()
    async with client.http.get(f"{registry.base}/v2/{name}/blobs/{digest}", headers=headers) as answer:
        assert answer.status == 200
        received += await answer.content.readexactly(MIB)
        proxy.mode = "third"  # and what it asks for from now on fails too often
        proxy.target = f"http://127.0.0.1:{free_port()}"
        with pytest.raises(aiohttp.ClientPayloadError):
            while piece := await answer.content.readany():
                received += piece
    assert data.startswith(received), "no error message among the bytes"


async def test_a_full_bucket_is_told_and_its_space_given_back(
    client: Client, proxy: FaultyProxy, cleanup: Any, fsck: Any, name: str
) -> None:
    before, large = random.Random(1).randbytes(100_000), random.Random(2).randbytes(20 * MIB)
    assert await try_push(client, name, before)
    begun = await client.call("POST", f"/v2/{name}/blobs/uploads/")
    proxy.mode = "full"
    refused = await client.call("PUT", begun.headers["Location"], params={"digest": digest_of(large)}, data=large)
    assert (refused.status, refused.code) == (503, "UNAVAILABLE")
    assert "InsufficientStorage" in refused.json["errors"][0]["message"]
    assert (await client.call("HEAD", f"/v2/{name}/blobs/{digest_of(large)}")).status == 404
    assert await pulled(client, name, before) == before
    proxy.mode = "none"
    await cleanup.run(silent)
    left = [found.size async for found in cleanup.objects.list("")]
    assert left == [len(before)]
    assert [found async for found in cleanup.objects.uploads("")] == []
    assert await try_push(client, name, large)
    assert (await fsck.run(silent, deep=True)).faults == {}


@dataclass
class FaultyDisk:
    """Spoils what a directory store and the sender of its files ask of the disk."""

    mode: str = "none"
    calls: int = 0
    spoilt: int = 0

    def before_call(self) -> None:
        self.calls += 1
        if self.mode == "slow":
            time.sleep(0.05)
        if self.mode == "third" and self.calls % 3 == 0:
            self.spoilt += 1
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def spoiling(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def spoilt(*arguments: Any, **named: Any) -> Any:
            self.before_call()
            return work(*arguments, **named)

        return spoilt


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> FaultyDisk:
    disk = FaultyDisk()
    in_thread = DirectoryStore.in_thread

    async def spoilt_in_thread(self: DirectoryStore, work: Any, /, *arguments: Any, **named: Any) -> Any:
        return await in_thread(self, disk.spoiling(work), *arguments, **named)

    monkeypatch.setattr(DirectoryStore, "in_thread", spoilt_in_thread)
    monkeypatch.setattr(sending, "_open", disk.spoiling(sending._open))
    monkeypatch.setattr(sendfile, "_send", disk.spoiling(sendfile._send))
    return disk


@pytest.mark.parametrize("mode", ["slow", "third"])
async def test_a_disk_that_is_slow_or_fails_every_third_call_loses_nothing(
    disk: FaultyDisk, scratch: Path, mongo_url: str, redis_url: str, name: str, mode: str
) -> None:
    times = {"grace": timedelta(hours=1), "quarantine": timedelta(hours=1)}
    async with (
        running_registry(scratch / f"r{uuid.uuid4().hex[:7]}", mongo_url, redis_url) as running,
        collecting_from(running, **times) as collector,
    ):
        client, before = running.client(), random.Random(9).randbytes(MIB)
        await client.push_blob(name, before)
        disk.mode = mode
        got = [await pulled_or_told(client, name, before) for _ in range(9)]
        assert set(got) == ({before, None} if mode == "third" else {before})
        images = [Image(random.Random(number).randbytes(3 * MIB)) for number in range(4)]
        pushed = [await try_image(client, name, image) for image in images]
        assert all(pushed) or mode == "third"
        for image, there in zip(images, pushed, strict=True):
            for blob in image.blobs:
                assert await pulled_or_told(client, name, blob) in ((blob, None) if there else (blob, b"", None))
        disk.mode = "none"
        for image in images:
            assert await try_image(client, name, image)
            for blob in image.blobs:
                assert await pulled(client, name, blob) == blob
        assert (disk.spoilt > 0) == (mode == "third")
        store, objects = collector.store, collector.objects
        uploads = Uploads(store, objects, Blobs(store, objects, collector.quarantine))
        cleanup = Cleanup(store, objects, uploads, timedelta(0))
        await cleanup.run(silent)
        assert await running.upload_files() == []
        report = await Fsck(store, objects, cleanup, collector.quarantine, timedelta(hours=1)).run(silent, deep=True)
        assert report.faults == {}, report.result()


async def try_image(client: Client, name: str, image: Image) -> bool:
    """Push an image as a client without patience does; whether all of it was acknowledged."""
    acknowledged = [await try_push(client, name, blob) for blob in image.blobs]
    if not all(acknowledged):
        return False
    done = await client.push_manifest(name, image.digest, image.manifest, OCI_MANIFEST)
    assert done.status == 201 or (done.status, done.code) == (503, "UNAVAILABLE"), done.body
    return done.status == 201


async def pulled_or_told(client: Client, name: str, data: bytes) -> bytes | None:
    """A blob, empty where it is not there; None where it is told that it cannot be read now, or the answer breaks off."""
    try:
        answer = await client.call("GET", f"/v2/{name}/blobs/{digest_of(data)}")
    except aiohttp.ClientPayloadError:
        return None
    if answer.status == 503:
        assert answer.code == "UNAVAILABLE"
        return None
    return answer.body if answer.status == 200 else b""


@pytest.fixture
def small_disk(tmp_path: Path) -> Any:
    """A file system of 24 MiB."""
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", tmp_path], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("may not mount a file system here")
    yield tmp_path
    subprocess.run(["umount", "-l", tmp_path], check=True)


async def test_a_full_disk_is_told_and_its_space_given_back(
    small_disk: Path, mongo_url: str, redis_url: str, name: str
) -> None:
    async with running_registry(small_disk / "r", mongo_url, redis_url) as running:
        client, objects = running.client(), running.settings.data_dir / "objects"
        image, large = Image(random.Random(1).randbytes(4 * MIB)), random.Random(2).randbytes(40 * MIB)
        assert (await image.push(client, name, "v1")).status == 201
        begun = await client.call("POST", f"/v2/{name}/blobs/uploads/")
        refused = await client.call("PATCH", begun.headers["Location"], data=large)
        assert (refused.status, refused.code) == (503, "UNAVAILABLE")
        assert "the disk is full" in refused.json["errors"][0]["message"]
        standing = await client.call("GET", begun.headers["Location"])
        offset = int(standing.headers["Range"].partition("-")[2]) + 1
        kept = next(path for path in (objects / ".uploads").rglob("*") if path.is_file())
        assert kept.read_bytes() == large[:offset], "what is said to be there is there"
        for blob in image.blobs:
            assert await pulled(client, name, blob) == blob
        assert (await client.call("DELETE", begun.headers["Location"])).status == 204
        assert not kept.exists()
        second = Image(random.Random(3).randbytes(8 * MIB))
        assert (await second.push(client, name, "v2")).status == 201
        assert await pulled(client, name, second.layers[0]) == second.layers[0]
