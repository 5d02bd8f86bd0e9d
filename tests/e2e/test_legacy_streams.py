"""pushImageVersion and pullImageVersion: a VirtualStream through a real gateway, into and out of a real registry."""

import asyncio
import io
import json
import secrets
import tarfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from cloudly_gateway.typedrequest import streams
from cloudly_registry.references import digest_of
from cloudly_registry.testing import Image

from tests.e2e.gateway_and_registry import House, house
from tests.e2e.legacy_wire import OverHttp, OverSocket, Wire, fire

__all__ = ["house"]
pytestmark = pytest.mark.e2e
CLOSING = "#############CLOSING BIT#############"


class Client:
    """What typedrequest's client does with a VirtualStream, as the side that fired the request."""

    def __init__(self, wire: Wire, jwt: str) -> None:
        self.wire = wire
        self._identity = {"name": "someone", "role": "admin", "jwt": jwt}

    async def fire(self, method: str, **request: Any) -> dict[str, Any]:
        """A request."""
        return await fire(self.wire, method, {"identity": self._identity, **request})

    async def exchange(self, stream: str, purpose: str, **more: Any) -> dict[str, Any]:
        """A message of a stream."""
        cycle = f"uni_{secrets.token_hex(12)}"
        asked = {"streamId": stream, "cycleId": cycle, "cycle": "request", "mainPurpose": purpose, **more}
        answer = await self.wire.send({"method": "##VirtualStream##", "request": asked, "response": None})
        told: dict[str, Any] = answer["response"]
        assert told["cycleId"] == cycle
        assert "correlation" not in answer
        return {**told, "error": answer.get("error")}

    async def push(self, image_id: str, tag: str, archive: bytes) -> dict[str, Any]:
        """Stream an archive in; the answer to its end."""
        stream = f"uni_{secrets.token_hex(12)}"
        record = {"_isVirtualStream": True, "streamId": stream}
        answer = await self.fire("pushImageVersion", imageId=image_id, versionString=tag, imageStream=record)
        if "error" in answer:
            return answer
        assert answer["response"] == {"allowed": True}
        told = await self.exchange(stream, "feedback", next=True, backpressure=False)
        for start in range(0, len(archive), 64 << 10):
            while told["backpressure"]:
                await asyncio.sleep(0.05)
                told = await self.exchange(stream, "feedback", next=True, backpressure=False)
            piece = archive[start : start + (64 << 10)]
            data = {"type": "Buffer", "data": list(piece)} if start else {str(n): byte for n, byte in enumerate(piece)}
            told = await self.exchange(stream, "chunk", next=True, backpressure=False, chunkData=data)
        return await self.exchange(stream, "chunk", next=False, backpressure=False, chunkData=CLOSING)

    async def push_half(self, image_id: str, archive: bytes) -> str:
        """Begin to stream an archive in; the stream's id."""
        stream = f"uni_{secrets.token_hex(12)}"
        record = {"_isVirtualStream": True, "streamId": stream}
        await self.fire("pushImageVersion", imageId=image_id, versionString="v1", imageStream=record)
        data = {"type": "Buffer", "data": list(archive[: len(archive) // 2])}
        await self.exchange(stream, "chunk", chunkData=data)
        return stream

    async def pull(self, image_id: str, tag: str) -> bytes:
        """Stream an archive out."""
        answer = await self.fire("pullImageVersion", imageId=image_id, versionString=tag)
        assert "error" not in answer, answer["error"]
        stream = answer["response"]["imageStream"]["streamId"]
        told = await self.exchange(stream, "keepAlive", keepAlive=True)
        got = bytearray()
        async with asyncio.timeout(60):
            while told["next"]:
                told = await self.exchange(stream, "read", next=False, backpressure=False)
                if told.get("chunkData") == CLOSING:
                    assert told["next"] is False
                    return bytes(got)
                got += bytes(told["chunkData"]["data"])
        raise AssertionError(f"it ended without an end: {told}")


@asynccontextmanager
async def client_of(house: House, wire: str, role: str = "admin", session: str = "") -> AsyncIterator[Client]:
    """A client of either kind."""
    jwt = house.registry.auth.issue(role, audience="cloudly-legacy", session=session)
    if wire == "http":
        yield Client(OverHttp(house.registry.http, house.url), jwt)
        return
    async with house.registry.http.ws_connect(house.url, max_msg_size=0) as socket:
        yield Client(OverSocket(socket), jwt)


def archive(image: Image) -> bytes:
    """As `docker save` has it."""
    out = io.BytesIO()
    listed = [
        {"Config": "config.json", "RepoTags": None, "Layers": [f"{n}/layer.tar" for n in range(len(image.layers))]}
    ]
    files = {f"{n}/layer.tar": layer for n, layer in enumerate(image.layers)}
    files |= {"config.json": image.config, "manifest.json": json.dumps(listed).encode()}
    with tarfile.open(fileobj=out, mode="w") as written:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            written.addfile(entry, io.BytesIO(content))
    return out.getvalue()


async def made(client: Client) -> tuple[str, str]:
    """A new image's id and repository."""
    name = f"i{uuid.uuid4().hex[:8]}"
    answer = await client.fire("createImage", name=name, description="")
    return str(answer["response"]["image"]["id"]), f"images/{name}"


@pytest.mark.parametrize("wire", ["http", "socket"])
async def test_an_image_goes_in_and_comes_out(house: House, wire: str) -> None:
    image = Image(b"one" * 100_000, b"two")
    async with client_of(house, wire) as client:
        id, repository = await made(client)
        ended = await client.push(id, "v1", archive(image))
        # Pushed and visible when the end is answered.
        assert (ended["keepAlive"], ended["error"]) == (False, None)
        oci = house.registry.client()
        manifest = (await oci.call("GET", f"/v2/{repository}/manifests/v1")).json
        assert [layer["digest"] for layer in manifest["layers"]] == [digest_of(layer) for layer in image.layers]
        with tarfile.open(fileobj=io.BytesIO(await client.pull(id, "v1"))) as pulled:
            listed = json.load(pulled.extractfile("manifest.json"))  # type: ignore[arg-type]
            layers = [pulled.extractfile(name).read() for name in listed[0]["Layers"]]  # type: ignore[union-attr]
        assert layers == image.layers


@pytest.mark.parametrize("wire", ["http", "socket"])
async def test_what_is_wrong_with_an_archive_is_told_when_it_ends(house: House, wire: str) -> None:
    async with client_of(house, wire) as client:
        id, repository = await made(client)
        ended = await client.push(id, "v1", archive(Image(b"one" * 100_000))[:-20_000])
        assert ended["keepAlive"] is False
        after = await client.exchange("uni_unknown", "keepAlive", keepAlive=True)
        assert after["keepAlive"] is False
        assert "no such stream" in after["error"]["text"]
    assert (await house.registry.client().call("GET", f"/v2/{repository}/manifests/v1")).status == 404


async def test_requests_that_cannot_be_are_refused_before_a_byte(house: House) -> None:
    async with client_of(house, "http") as client:
        id, _ = await made(client)
        record = {"_isVirtualStream": True, "streamId": "uni_1"}
        for wrong in (
            {"imageId": "a" * 20, "versionString": "v1", "imageStream": record},
            {"imageId": id, "versionString": "v1", "imageStream": {}},
            {"imageId": id, "imageStream": record},
        ):
            assert (await client.fire("pushImageVersion", **wrong))["error"]["text"]
        assert (
            "NOT_FOUND"
            in (await client.fire("pullImageVersion", imageId=id, versionString="v1"))["error"]["data"]["reason"]
        )
    async with client_of(house, "http", role="nobody") as stranger:
        refused = await stranger.fire("pullImageVersion", imageId=id, versionString="v1")
        assert refused["error"]["data"]["reason"] == "PERMISSION_DENIED"


async def test_a_client_that_falls_silent_leaves_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async with client_of(house, "http") as client:
        id, repository = await made(client)
        await client.push_half(id, archive(Image(b"one" * 50_000)))
        await until_uploads(house, there=True)
    monkeypatch.setattr(streams, "IDLE_SECONDS", 0.1)
    await until_uploads(house, there=False)
    assert (await house.registry.client().call("GET", f"/v2/{repository}/manifests/v1")).status == 404


async def test_a_push_ends_with_the_login_behind_it(house: House) -> None:
    session = f"s-{uuid.uuid4().hex}"
    async with client_of(house, "http") as client, client_of(house, "http", session=session) as pushing:
        id, repository = await made(client)
        stream = await pushing.push_half(id, archive(Image(b"one" * 50_000)))
        await until_uploads(house, there=True)
        await house.revoke(session)
        async with asyncio.timeout(60):
            while (told := await pushing.exchange(stream, "keepAlive", keepAlive=True))["keepAlive"]:
                await asyncio.sleep(0.1)
        assert "revoked" in told["error"]["text"]
        await until_uploads(house, there=False)
    assert (await house.registry.client().call("GET", f"/v2/{repository}/manifests/v1")).status == 404


async def until_uploads(house: House, *, there: bool) -> None:
    """Wait until the registry keeps uploads, or none."""
    async with asyncio.timeout(30):
        while bool(await house.registry.upload_files()) is not there:
            await asyncio.sleep(0.05)
