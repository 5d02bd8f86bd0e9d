"""What happens on the wire: probes, expectations, refusals before the body, slow and broken clients."""

import asyncio
import uuid
from pathlib import Path

from cloudly_registry.manifest_format import OCI_MANIFEST
from cloudly_registry.references import digest_of
from cloudly_registry.testing import Client, Image, Registry, running_registry


class Wire:
    """A connection on which a test writes its own bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def to(cls, registry: Registry) -> "Wire":
        host, _, port = registry.settings.http_listen.partition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> tuple[int, dict[str, str]]:
        async with asyncio.timeout(10):
            lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        return int(lines[0].split()[1]), headers

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        status, headers = await self.head()
        return status, headers, await self.reader.readexactly(int(headers.get("content-length", "0")))


async def upload(client: Client, name: str) -> tuple[str, str]:
    """Where to send, and the head of a request that may."""
    begun = await client.call("POST", f"/v2/{name}/blobs/uploads/")
    token = await client.token(f"repository:{name}:pull,push")
    location = begun.headers["Location"]
    return location, f" {location} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {token}\r\n"


async def test_a_tls_probe_is_refused_at_once(registry: Registry) -> None:
    wire = await Wire.to(registry)
    await wire.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200))
    status, _ = await wire.head()
    assert status == 400


async def test_continue_is_said_only_to_who_may_send(client: Client, registry: Registry, name: str) -> None:
    location, head = await upload(client, name)
    wire = await Wire.to(registry)
    await wire.send(f"PATCH{head}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n".encode())
    assert (await wire.head())[0] == 100
    await wire.send(b"hello")
    status, headers, _ = await wire.answer()
    assert (status, headers["range"]) == (202, "0-4")

    wire = await Wire.to(registry)
    await wire.send(
        f"PATCH {location} HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n".encode()
    )
    status, headers, _ = await wire.answer()
    assert (status, headers["connection"]) == (401, "close")


async def test_a_refusal_before_the_body_closes_the_connection(registry: Registry, name: str) -> None:
    wire = await Wire.to(registry)
    await wire.send(f"PUT /v2/{name}/blobs/uploads/x HTTP/1.1\r\nHost: test\r\nContent-Length: 900000\r\n\r\n".encode())
    await wire.send(b"x" * 1000)
    status, headers, _ = await wire.answer()
    assert (status, headers["connection"]) == (401, "close")


async def test_requests_in_a_row_on_one_connection(client: Client, registry: Registry, name: str) -> None:
    location, head = await upload(client, name)
    wire = await Wire.to(registry)
    digest = digest_of(b"hello world")
    query = head.replace(location, f"{location}?digest={digest}", 1)
    await wire.send(
        f"PATCH{head}Transfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nX: y\r\n\r\n".encode()
        + f"PUT{query}Content-Length: 0\r\n\r\n".encode()
    )
    assert (await wire.answer())[0] == 202
    assert (await wire.answer())[0] == 201


async def test_a_malformed_chunk_is_refused_and_the_upload_lives(client: Client, registry: Registry, name: str) -> None:
    location, head = await upload(client, name)
    wire = await Wire.to(registry)
    await wire.send(f"PATCH{head}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n".encode())
    status, _ = await wire.head()
    assert status == 400
    assert (await client.call("GET", location)).status == 204


async def test_a_silent_client_is_sent_away(scratch: Path, mongo_url: str, redis_url: str, name: str) -> None:
    directory = scratch / f"r{uuid.uuid4().hex[:7]}"
    async with running_registry(directory, mongo_url, redis_url, idle_seconds=1) as registry:
        client = registry.client()
        location, head = await upload(client, name)
        wire = await Wire.to(registry)
        await wire.send(f"PATCH{head}Content-Length: 100\r\n\r\nhello".encode())
        status, headers, _ = await wire.answer()
        assert (status, headers["connection"]) == (408, "close")
        assert (await client.call("GET", location)).headers["Range"] == "0-4"


async def test_stuck_clients_hold_up_nobody(client: Client, registry: Registry, name: str) -> None:
    data = bytes(8 << 20)
    digest = await client.push_blob(name, data)
    token = await client.token(f"repository:{name}:pull")
    stuck = []
    for _ in range(40):
        _, head = await upload(client, name)
        wire = await Wire.to(registry)
        await wire.send(f"PATCH{head}Content-Length: {64 << 20}\r\n\r\n".encode() + bytes(100_000))
        stuck.append(wire)
        wire = await Wire.to(registry)
        await wire.send(
            f"GET /v2/{name}/blobs/{digest} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        )
        stuck.append(wire)
    async with asyncio.timeout(30):
        await client.push_blob(name, b"another")
        assert (await client.call("GET", f"/v2/{name}/blobs/{digest}")).body == data
    for wire in stuck:
        wire.writer.transport.abort()


async def test_a_manifest_that_ends_too_soon_is_none(client: Client, registry: Registry, name: str) -> None:
    image = Image(b"one")
    await image.push(client, name)
    token = await client.token(f"repository:{name}:pull,push")
    for number, length in enumerate((len(image.manifest) + 1, 1 << 20)):
        wire = await Wire.to(registry)
        head = f"PUT /v2/{name}/manifests/t{number} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {token}\r\n"
        await wire.send(
            f"{head}Content-Type: {OCI_MANIFEST}\r\nContent-Length: {length}\r\n\r\n".encode() + image.manifest
        )
        wire.writer.close()
        await wire.writer.wait_closed()
    assert (await client.push_manifest(name, "whole", image.manifest, OCI_MANIFEST)).status == 201
    assert (await client.call("GET", f"/v2/{name}/tags/list")).json["tags"] == ["whole"]


async def test_two_requests_at_once_cannot_write_to_one_upload(client: Client, name: str) -> None:
    location, _ = await upload(client, name)
    started, release = asyncio.Event(), asyncio.Event()

    async def slow():
        yield bytes(2 << 20)
        started.set()
        await release.wait()
        yield b"end"

    first = asyncio.create_task(client.call("PATCH", location, data=slow()))
    await started.wait()
    await asyncio.sleep(0.2)
    refused = await client.call("PATCH", location, data=b"intruder")
    assert (refused.status, refused.code) == (409, "BLOB_UPLOAD_INVALID")
    assert (await client.call("DELETE", location)).status == 409
    release.set()
    assert (await first).status == 202
    digest = digest_of(bytes(2 << 20) + b"end")
    assert (await client.call("PUT", location, params={"digest": digest})).status == 201


async def test_what_is_elsewhere_is_not_found(registry: Registry) -> None:
    for path in ("/", "/etc/passwd", "/v2/..%2f..%2fetc/passwd", "/objects/../x", "/objects/.signing-key"):
        async with registry.http.get(registry.base + path) as answer:
            assert answer.status in (400, 401, 403, 404), path


async def test_a_signed_object_is_served_with_ranges(registry: Registry) -> None:
    from cloudly_kit.objects import DirectoryStore

    async with DirectoryStore(registry.settings.data_dir / "objects", origin=registry.base) as store:
        await store.put("backups/one.bin", b"0123456789")
        url = await store.presigned_get("backups/one.bin", 60)
        assert url is not None
        async with registry.http.get(url) as answer:
            assert (answer.status, await answer.read()) == (200, b"0123456789")
        async with registry.http.get(url, headers={"Range": "bytes=2-4"}) as answer:
            assert (answer.status, await answer.read()) == (206, b"234")
        async with registry.http.get(url.replace("one.bin", "two.bin")) as answer:
            assert answer.status == 403
        async with registry.http.get(url.split("?")[0]) as answer:
            assert answer.status == 403
        missing = await store.presigned_get("backups/none.bin", 60)
        assert missing is not None
        async with registry.http.get(missing) as answer:
            assert answer.status == 404
