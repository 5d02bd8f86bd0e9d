"""The pull-through cache before a real registry: what it fetches, how often, and what it does when that one is not well."""

import asyncio
import errno
import os
import shutil
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cloudly.registry.v1 import external_registry_pb2 as pb
from cloudly.registry.v1 import image_pb2
from cloudly.registry.v1.external_registry_pb2_grpc import ExternalRegistryServiceStub
from cloudly.registry.v1.image_pb2_grpc import ImageServiceStub
from cloudly_kit.errors import FailedPrecondition, InvalidArgument
from cloudly_kit.objects import directory_upload
from cloudly_registry.manifest_format import OCI_INDEX
from cloudly_registry.pull_through import copies
from cloudly_registry.references import digest_of
from cloudly_registry.testing import Client, Image, Registry, docker_registry, index_of, running_registry
from google.protobuf.field_mask_pb2 import FieldMask

Fault = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


class Front:
    """A proxy before the upstream, which counts, and fails where it is told to."""

    def __init__(self, http: aiohttp.ClientSession, target: str) -> None:
        self._http = http
        self._target = target
        self.asked: list[str] = []
        self.requests = 0
        self.fault: Fault | None = None
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        if "Authorization" in request.headers:  # without it, it is a question for the way to log in
            self.asked.append(f"{request.method} {request.path.rpartition('/v2/')[2]}")
        if self.fault is not None and (answer := await self.fault(request)) is not None:
            return answer
        headers = {name: value for name, value in request.headers.items() if name not in ("Host", "Accept-Encoding")}
        async with self._http.request(
            request.method, self._target + request.path_qs, headers=headers, allow_redirects=False
        ) as upstream:
            if request.method != "HEAD":
                return web.Response(status=upstream.status, body=await upstream.read(), headers=upstream.headers)
            head = web.StreamResponse(status=upstream.status, headers=upstream.headers)
            await head.prepare(request)
            return head

    def count(self, start: str) -> int:
        return len([asked for asked in self.asked if asked.startswith(start)])


@pytest.fixture(scope="module")
async def upstream(scratch: Path, mongo_url: str, redis_url: str) -> AsyncIterator[Registry]:
    """The registry that is pulled through."""
    async with running_registry(scratch / f"u{uuid.uuid4().hex[:7]}", mongo_url, redis_url) as running:
        yield running


@pytest.fixture
async def front(upstream: Registry) -> AsyncIterator[Front]:
    front = Front(upstream.http, upstream.base)
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", front.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    front.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield front
    await runner.cleanup()


@asynccontextmanager
async def external(registry: Registry) -> AsyncIterator[Any]:
    async with registry.harness.channel("registry", "admin") as channel:
        yield ExternalRegistryServiceStub(channel)


async def cached(registry: Registry, url: str, **fields: Any) -> str:
    """An external registry that is pulled through; its prefix."""
    prefix = f"c{uuid.uuid4().hex[:8]}"
    fields = {
        "name": prefix,
        "url": url,
        "cache_prefix": prefix,
        "username": "viewer",
        "password": "viewer-password",
        **fields,
    }
    async with external(registry) as rpc:
        await rpc.CreateExternalRegistry(
            pb.CreateExternalRegistryRequest(external_registry=pb.ExternalRegistry(**fields))
        )
    return prefix


async def until_known(client: Client, path: str) -> None:
    """The prefix reaches the HTTP side by a hint."""
    async with asyncio.timeout(40):
        while (await client.call("HEAD", path)).status == 404:
            await asyncio.sleep(0.05)


@pytest.fixture
async def prefix(registry: Registry, client: Client, upstream: Registry, front: Front, name: str) -> str:
    prefix = await cached(registry, front.url, cache_ttl_seconds=3600)
    await Image(b"known").push(upstream.client(), f"{name}/known", "v1")
    await until_known(client, f"/v2/{prefix}/{name}/known/manifests/v1")
    front.asked.clear()
    return prefix


async def image_of(registry: Registry, repository: str) -> image_pb2.Image:
    async with registry.harness.channel("registry", "admin") as channel:
        asked = image_pb2.ListImagesRequest(filter=f'repository = "{repository}"')
        image: image_pb2.Image = (await ImageServiceStub(channel).ListImages(asked)).images[0]
        return image


async def registry_of(registry: Registry, prefix: str) -> pb.ExternalRegistry:
    async with external(registry) as rpc:
        asked = pb.ListExternalRegistriesRequest(filter=f'name = "{prefix}"')
        record: pb.ExternalRegistry = (await rpc.ListExternalRegistries(asked)).external_registries[0]
        return record


async def test_an_image_is_fetched_once_and_served_from_here_then(
    client: Client, upstream: Registry, front: Front, prefix: str, name: str
) -> None:
    image = Image(b"one" * 100_000, b"two")
    await image.push(upstream.client(), name, "v1")
    here = f"/v2/{prefix}/{name}"
    for _ in range(2):
        answer = await client.call("GET", f"{here}/manifests/v1")
        assert (answer.body, answer.headers["Docker-Content-Digest"]) == (image.manifest, image.digest)
        assert "Warning" not in answer.headers
        for blob in image.blobs:
            got = await client.call("GET", f"{here}/blobs/{digest_of(blob)}")
            assert (got.status, got.body) == (200, blob)
            assert got.headers["Docker-Content-Digest"] == digest_of(blob)
    assert front.count(f"GET {name}/manifests/") == 1
    assert front.count(f"GET {name}/blobs/") == 3 == len(image.blobs)
    digest = digest_of(image.layers[0])
    assert (await client.call("GET", f"{here}/blobs/{digest}", headers={"Range": "bytes=3-5"})).body == image.layers[0][
        3:6
    ]
    assert (await client.call("GET", f"{here}/manifests/{image.digest}")).body == image.manifest
    assert (await client.call("GET", f"{here}/manifests/none")).code == "MANIFEST_UNKNOWN"
    assert (await client.call("GET", f"{here}/blobs/{digest_of(b'none')}")).code == "BLOB_UNKNOWN"


async def test_an_index_and_its_parts(client: Client, upstream: Registry, prefix: str, name: str) -> None:
    amd, arm = Image(b"one"), Image(b"two", architecture="arm64")
    for image in (amd, arm):
        await image.push(upstream.client(), name)
    body = index_of(amd, arm)
    await upstream.client().push_manifest(name, "multi", body, OCI_INDEX)
    assert (await client.call("GET", f"/v2/{prefix}/{name}/manifests/multi")).body == body
    assert (await client.call("GET", f"/v2/{prefix}/{name}/manifests/{arm.digest}")).body == arm.manifest


async def test_before_it_is_fetched_a_blob_can_be_asked_for_its_size_and_for_a_part(
    client: Client, upstream: Registry, front: Front, prefix: str, name: str
) -> None:
    image = Image(b"one" * 1000)
    await image.push(upstream.client(), name, "v1")
    path = f"/v2/{prefix}/{name}/blobs/{digest_of(image.layers[0])}"
    head = await client.call("HEAD", path)
    assert int(head.headers["Content-Length"]) == len(image.layers[0])
    assert front.count("GET ") == 0
    part = await client.call("GET", path, headers={"Range": "bytes=512-514"})
    assert (part.status, part.body) == (206, b"one")


async def test_a_moved_tag_is_seen_after_its_time_and_costs_one_look(
    registry: Registry, client: Client, upstream: Registry, front: Front, name: str
) -> None:
    one, two = Image(b"one"), Image(b"two")
    await one.push(upstream.client(), name, "v1")
    prefix = await cached(registry, front.url, cache_ttl_seconds=1)
    path = f"/v2/{prefix}/{name}/manifests/v1"
    await until_known(client, path)
    await two.push(upstream.client(), name, "v1")
    async with asyncio.timeout(40):
        while (await client.call("GET", path)).body != two.manifest:
            await asyncio.sleep(0.1)
    front.asked.clear()
    async with asyncio.timeout(40):
        while not front.asked:
            assert (await client.call("GET", path)).body == two.manifest
            await asyncio.sleep(0.1)
    assert front.asked == [f"HEAD {name}/manifests/v1"]


async def test_what_is_here_is_served_when_the_upstream_is_away_and_says_so(
    registry: Registry, client: Client, upstream: Registry, front: Front, name: str
) -> None:
    image = Image(b"one")
    await image.push(upstream.client(), name, "v1")
    prefix = await cached(registry, front.url, cache_ttl_seconds=1)
    here = f"/v2/{prefix}/{name}"
    await until_known(client, f"{here}/manifests/v1")

    front.fault = down
    async with asyncio.timeout(40):
        while "Warning" not in (answer := await client.call("GET", f"{here}/manifests/v1")).headers:
            await asyncio.sleep(0.1)
    assert answer.body == image.manifest
    assert answer.headers["Warning"].startswith("110 ")
    missing = await client.call("GET", f"{here}/blobs/{digest_of(image.layers[0])}")
    assert (missing.status, missing.code) == (503, "UNAVAILABLE")
    assert (await client.call("GET", f"{here}/manifests/other")).code == "UNAVAILABLE"
    record = await registry_of(registry, prefix)
    assert record.status == pb.EXTERNAL_REGISTRY_STATUS_UNREACHABLE
    assert "502" in record.last_error
    front.fault = None
    assert (await client.call("GET", f"{here}/blobs/{digest_of(image.layers[0])}")).body == image.layers[0]
    assert "Warning" not in (await client.call("GET", f"{here}/manifests/v1")).headers
    record = await registry_of(registry, prefix)
    assert (record.status, record.last_error) == (pb.EXTERNAL_REGISTRY_STATUS_WORKING, "")


async def test_an_upstream_that_wants_to_be_left_alone_is(client: Client, front: Front, prefix: str, name: str) -> None:
    front.fault = limited
    first = await client.call("GET", f"/v2/{prefix}/{name}/manifests/v1")
    assert (first.status, first.code) == (429, "TOOMANYREQUESTS")
    assert 100 < int(first.headers["Retry-After"]) <= 120
    asked = front.requests
    again = await client.call("GET", f"/v2/{prefix}/{name}/manifests/v2")
    assert again.status == 429
    assert front.requests == asked
    # What is here still goes out, without a question.
    assert (await client.call("GET", f"/v2/{prefix}/{name}/known/manifests/v1")).status == 200


async def until_told(registry: Registry, prefix: str, status: pb.ExternalRegistryStatus, words: str) -> None:
    """The record is written when a fetch is over, which may be after the client's answer."""
    async with asyncio.timeout(40):
        while (record := await registry_of(registry, prefix)).status != status or words not in record.last_error:
            await asyncio.sleep(0.05)


async def down(_: web.Request) -> web.StreamResponse:
    return web.Response(status=502)


async def no_login(_: web.Request) -> web.StreamResponse:
    return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="here"'})


async def limited(_: web.Request) -> web.StreamResponse:
    return web.Response(status=429, headers={"Retry-After": "120"})


def for_blobs(fault: Fault) -> Fault:
    async def handle(request: web.Request) -> web.StreamResponse | None:
        return await fault(request) if "/blobs/" in request.path else None

    return handle


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("fault", "answered", "status", "words"),
    [
        (down, 503, pb.EXTERNAL_REGISTRY_STATUS_UNREACHABLE, "502"),
        (no_login, 403, pb.EXTERNAL_REGISTRY_STATUS_DENIED, "does not take the login"),
    ],
    ids=["down", "no_login"],
)
async def test_why_a_blob_does_not_come_is_told_and_stands_in_the_record(
    registry: Registry,
    client: Client,
    upstream: Registry,
    front: Front,
    prefix: str,
    name: str,
    method: str,
    fault: Fault,
    answered: int,
    status: pb.ExternalRegistryStatus,
    words: str,
) -> None:
    digest = await upstream.client().push_blob(name, b"content")
    front.fault = for_blobs(fault)
    refused = await client.call(method, f"/v2/{prefix}/{name}/blobs/{digest}")
    assert refused.status == answered
    await until_told(registry, prefix, status, words)
    front.fault = None
    assert (await client.call("GET", f"/v2/{prefix}/{name}/blobs/{digest}")).body == b"content"
    await until_told(registry, prefix, pb.EXTERNAL_REGISTRY_STATUS_WORKING, "")


async def test_a_blob_that_breaks_off_stands_in_the_record(
    registry: Registry, client: Client, upstream: Registry, front: Front, prefix: str, name: str
) -> None:
    content = b"x" * 4_000_000
    digest = await upstream.client().push_blob(name, content)

    async def torn(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = len(content)
        await response.prepare(request)
        await response.write(content[:2_000_000])
        assert request.transport is not None
        request.transport.close()
        return response

    front.fault = for_blobs(torn)
    answer = await get(client, f"/v2/{prefix}/{name}/blobs/{digest}", f"repository:{prefix}/{name}:pull")
    with pytest.raises(aiohttp.ClientPayloadError):
        await answer.read()
    await until_told(registry, prefix, pb.EXTERNAL_REGISTRY_STATUS_UNREACHABLE, "cannot be reached")
    front.fault = None
    assert (await client.call("GET", f"/v2/{prefix}/{name}/blobs/{digest}")).body == content


async def test_an_upstream_that_allows_no_more_blobs_is_still_asked_for_manifests(
    registry: Registry, client: Client, upstream: Registry, front: Front, prefix: str, name: str
) -> None:
    image = Image(b"one")
    await image.push(upstream.client(), name, "v1")
    front.fault = for_blobs(limited)
    here = f"/v2/{prefix}/{name}"
    for blob in image.blobs:
        refused = await client.call("GET", f"{here}/blobs/{digest_of(blob)}")
        assert (refused.status, refused.code) == (429, "TOOMANYREQUESTS")
        assert 100 < int(refused.headers["Retry-After"]) <= 120
    await until_told(registry, prefix, pb.EXTERNAL_REGISTRY_STATUS_UNREACHABLE, "allows no more requests")
    assert front.count(f"GET {name}/blobs/") <= 1, "it is left alone"
    assert (await client.call("GET", f"{here}/manifests/v1")).body == image.manifest


async def test_a_full_disk_here_is_told_and_not_blamed_on_the_upstream(
    registry: Registry, client: Client, upstream: Registry, prefix: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = await upstream.client().push_blob(name, b"content")
    await until_told(registry, prefix, pb.EXTERNAL_REGISTRY_STATUS_WORKING, "")

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(directory_upload, "write_at", full)
        refused = await client.call("GET", f"/v2/{prefix}/{name}/blobs/{digest}", headers={"Range": "bytes=0-3"})
    assert (refused.status, refused.code) == (503, "UNAVAILABLE")
    assert "the disk is full" in refused.json["errors"][0]["message"]
    assert (await registry_of(registry, prefix)).status == pb.EXTERNAL_REGISTRY_STATUS_WORKING
    assert await registry.upload_files() == []
    assert (await client.call("GET", f"/v2/{prefix}/{name}/blobs/{digest}")).body == b"content"


class Slowly:
    """Sends half of a body, then waits."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.release = asyncio.Event()

    async def __call__(self, request: web.Request) -> web.StreamResponse | None:
        if request.method != "GET" or "/blobs/" not in request.path or "Authorization" not in request.headers:
            return None
        response = web.StreamResponse()
        response.content_length = len(self.body)
        await response.prepare(request)
        await response.write(self.body[: len(self.body) // 2])
        await self.release.wait()
        await response.write(self.body[len(self.body) // 2 :])
        await response.write_eof()
        return response


async def get(client: Client, path: str, scope: str) -> aiohttp.ClientResponse:
    headers = {"Authorization": "Bearer " + await client.token(scope)}
    return await client.http.get(client.base + path, headers=headers)


async def test_clients_get_bytes_while_they_come_and_all_of_them_share_one_fetch(
    client: Client, upstream: Registry, front: Front, prefix: str, name: str
) -> None:
    image = Image(b"x" * 12_000_000)
    await image.push(upstream.client(), name, "v1")
    layer = image.layers[0]
    front.fault = slowly = Slowly(layer)
    path, scope = f"/v2/{prefix}/{name}/blobs/{digest_of(layer)}", f"repository:{prefix}/{name}:pull"
    first = await get(client, path, scope)
    early = await first.content.readexactly(1_000_000)
    # Some come when it has begun, and one goes away.
    late = [await get(client, path, scope) for _ in range(6)]
    late.pop().close()
    slowly.release.set()
    assert early + await first.read() == layer
    assert [await answer.read() == layer for answer in late] == [True] * 5
    assert front.count("GET") == 1
    assert (await client.call("GET", path)).body == layer


async def test_a_client_that_is_slower_than_the_upstream_gets_everything(
    client: Client, upstream: Registry, prefix: str, name: str
) -> None:
    image = Image(b"y" * 40_000_000)
    await image.push(upstream.client(), name, "v1")
    layer = image.layers[0]
    path, scope = f"/v2/{prefix}/{name}/blobs/{digest_of(layer)}", f"repository:{prefix}/{name}:pull"
    slow = await get(client, path, scope)
    fast = await client.call("GET", path)
    assert fast.body == layer
    assert await slow.read() == layer


async def test_bytes_that_are_not_what_they_should_be_are_never_whole_and_never_kept(
    client: Client, upstream: Registry, front: Front, prefix: str, name: str
) -> None:
    image = Image(b"z" * 3_000_000)
    await image.push(upstream.client(), name, "v1")
    layer = image.layers[0]
    path, scope = f"/v2/{prefix}/{name}/blobs/{digest_of(layer)}", f"repository:{prefix}/{name}:pull"
    front.fault = slowly = Slowly(layer[:-1] + b"!")
    slowly.release.set()
    answer = await get(client, path, scope)
    with pytest.raises(aiohttp.ClientPayloadError):
        await answer.read()
    front.fault = None
    assert (await client.call("GET", path)).body == layer

    async def other(request: web.Request) -> web.Response | None:
        if request.method == "GET" and "/manifests/" in request.path:
            return web.Response(body=image.manifest + b" ", content_type="application/vnd.oci.image.manifest.v1+json")
        return None

    front.fault = other
    assert (await client.call("GET", f"/v2/{prefix}/{name}/manifests/{image.digest}")).code == "UNAVAILABLE"


async def test_a_client_that_goes_away_does_not_end_the_fetch(
    client: Client, upstream: Registry, front: Front, prefix: str, name: str
) -> None:
    image = Image(b"w" * 2_000_000)
    await image.push(upstream.client(), name, "v1")
    layer = image.layers[0]
    path, scope = f"/v2/{prefix}/{name}/blobs/{digest_of(layer)}", f"repository:{prefix}/{name}:pull"
    front.fault = slowly = Slowly(layer)
    (await get(client, path, scope)).close()
    slowly.release.set()
    front.fault = None
    front.asked.clear()
    assert (await client.call("GET", path)).body == layer
    assert front.count(f"GET {name}/blobs/") == 0


async def test_rights_are_those_of_any_repository_and_nobody_pushes(
    registry: Registry, client: Client, upstream: Registry, prefix: str, name: str
) -> None:
    await Image(b"private").push(upstream.client(), name, "v1")
    here = f"/v2/{prefix}/{name}"
    assert (await client.call("GET", f"{here}/manifests/v1")).status == 200
    assert (await registry.client("nobody").call("GET", f"{here}/manifests/v1")).status == 403
    async with client.http.get(f"{client.base}{here}/manifests/v1") as anonymous:
        assert anonymous.status == 401
    begun = await client.call("POST", f"{here}/blobs/uploads/")
    assert (begun.status, begun.code) == (403, "DENIED")
    assert "copy of" in begun.json["errors"][0]["message"]
    assert (await client.push_manifest(f"{prefix}/{name}", "v2", b"{}", OCI_INDEX)).code == "DENIED"
    image = await image_of(registry, f"{prefix}/{name}")
    async with registry.harness.channel("registry", "admin") as channel:
        public = image_pb2.Image(id=image.id, public=True)
        with pytest.raises(FailedPrecondition):
            await ImageServiceStub(channel).UpdateImage(
                image_pb2.UpdateImageRequest(image=public, update_mask=FieldMask(paths=["public"]))
            )


async def test_what_the_login_may_not_read_is_denied(
    registry: Registry, client: Client, upstream: Registry, name: str
) -> None:
    await Image(b"one").push(upstream.client(), name, "v1")
    prefix = await cached(registry, upstream.base, username="nobody", password="nobody-password")
    path = f"/v2/{prefix}/{name}/manifests/v1"
    await until_known(client, path)
    assert (await client.call("GET", path)).code == "DENIED"


async def test_a_prefix_belongs_to_one(
    registry: Registry, client: Client, front: Front, prefix: str, name: str
) -> None:
    await Image(b"one").push(client, f"own{name[-6:]}/app", "v1")
    for taken in (prefix, f"own{name[-6:]}", "images"):
        with pytest.raises(InvalidArgument):
            await cached(registry, front.url, cache_prefix=taken)


async def test_a_copy_is_kept_as_long_as_it_is_used(
    registry: Registry, client: Client, upstream: Registry, front: Front, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copies, "_TOUCHED_AFTER", timedelta(0))
    await Image(b"one").push(upstream.client(), name, "v1")
    prefix = await cached(registry, front.url, cache_ttl_seconds=1, cache_days=3)
    path = f"/v2/{prefix}/{name}/manifests/v1"
    await until_known(client, path)
    image = await image_of(registry, f"{prefix}/{name}")
    assert [(rule.keep_days, rule.keep_last) for rule in image.retention] == [(3, 0)]
    before = image.versions[0].push_time.ToNanoseconds()
    async with asyncio.timeout(40):
        while (await image_of(registry, f"{prefix}/{name}")).versions[0].push_time.ToNanoseconds() == before:
            await client.call("GET", path)
            await asyncio.sleep(0.1)


@pytest.mark.skipif(
    shutil.which("docker-registry") is None or shutil.which("skopeo") is None,
    reason="docker-registry or skopeo missing",
)
async def test_the_reference_registry_is_pulled_through_by_a_real_client(
    registry: Registry, client: Client, name: str, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(docker_registry(tmp_path, "robot", "secret"))
        image = Image(b"one" * 100_000, b"two")
        image.write(tmp_path / "image")
        there = f"docker://{url.removeprefix('http://')}/{name}:v1"
        push = ("--preserve-digests", "--dest-tls-verify=false", "--dest-creds", "robot:secret")
        await skopeo("copy", *push, f"dir:{tmp_path}/image", there)
        prefix = await cached(registry, url, username="robot", password="secret")
        await until_known(client, f"/v2/{prefix}/{name}/manifests/v1")
        here = f"docker://{registry.settings.http_listen}/{prefix}/{name}:v1"
        await skopeo(
            "copy", "--src-tls-verify=false", "--src-creds", "viewer:viewer-password", here, f"dir:{tmp_path}/got"
        )
    for file in (tmp_path / "image").iterdir():
        assert (tmp_path / "got" / file.name).read_bytes() == file.read_bytes()


async def skopeo(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        "skopeo", "--insecure-policy", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0, output.decode()
