"""Uploads in pieces: resumed here or at another replica, refused out of order, and never visible before they are whole."""

import asyncio
import itertools
import random

import pytest
from cloudly_registry.cleanup import Cleanup
from cloudly_registry.collector import Collector
from cloudly_registry.references import digest_of
from cloudly_registry.testing import Client, Registry
from prometheus_client import REGISTRY
from yarl import URL

MIB = 1 << 20
pytestmark = pytest.mark.parametrize("registry", ["directory", "s3"], indirect=True, scope="module")


def some_bytes(length: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(length)


async def silent(*_: object) -> None:
    """Progress that nobody reads."""


async def begin(client: Client, name: str) -> str:
    begun = await client.call("POST", f"/v2/{name}/blobs/uploads/")
    assert begun.status == 202
    assert begun.headers["Range"] == "0-0"
    assert begun.headers["Docker-Upload-UUID"] in begun.headers["Location"]
    return str(begun.headers["Location"])


async def test_chunks_in_order_make_the_blob(client: Client, name: str) -> None:
    data = some_bytes(300_000)
    location = await begin(client, name)
    for start in range(0, len(data), 100_000):
        chunk = data[start : start + 100_000]
        headers = {"Content-Range": f"{start}-{start + len(chunk) - 1}"}
        moved = await client.call("PATCH", location, data=chunk, headers=headers)
        assert (moved.status, moved.headers["Range"]) == (202, f"0-{start + len(chunk) - 1}")
        location = moved.headers["Location"]
        assert (await client.call("GET", f"/v2/{name}/blobs/{digest_of(data)}")).status == 404
    done = await client.call("PUT", location, params={"digest": digest_of(data)})
    assert done.status == 201
    assert (await client.call("GET", f"/v2/{name}/blobs/{digest_of(data)}")).body == data


async def test_the_last_chunk_may_come_with_the_digest(client: Client, name: str) -> None:
    location = await begin(client, name)
    await client.call("PATCH", location, data=b"hello ")
    done = await client.call(
        "PUT", location, data=b"world", params={"digest": digest_of(b"hello world")}, headers={"Content-Range": "6-10"}
    )
    assert done.status == 201


@pytest.mark.parametrize("start", [0, 3, 6, 1000])
async def test_a_chunk_out_of_order_is_refused_and_changes_nothing(client: Client, name: str, start: int) -> None:
    location = await begin(client, name)
    await client.call("PATCH", location, data=b"hello")
    for method, params in (("PATCH", {}), ("PUT", {"digest": digest_of(b"hello world")})):
        refused = await client.call(
            method, location, data=b"xxxxx", params=params, headers={"Content-Range": f"{start}-{start + 4}"}
        )
        assert (refused.status, refused.code) == (416, "BLOB_UPLOAD_INVALID")
        assert (refused.headers["Range"], refused.headers["Location"]) == ("0-4", location)
    assert (await client.call("GET", location)).headers["Range"] == "0-4"
    done = await client.call("PUT", location, data=b" world", params={"digest": digest_of(b"hello world")})
    assert done.status == 201


@pytest.mark.parametrize("told", ["", "a-b", "5", "0-3", "4-0", "-5", "bytes 0-9/20"])
async def test_a_content_range_that_lies_is_refused(client: Client, name: str, told: str) -> None:
    location = await begin(client, name)
    refused = await client.call("PATCH", location, data=b"hello", headers={"Content-Range": told})
    if not told:
        assert refused.status == 202
        return
    assert refused.status == 400
    assert refused.code in ("SIZE_INVALID", "BLOB_UPLOAD_INVALID")
    assert (await client.call("GET", location)).headers["Range"] == "0-0"


async def test_the_status_of_an_upload_is_told(client: Client, name: str) -> None:
    location = await begin(client, name)
    await client.call("PATCH", location, data=b"12345")
    status = await client.call("GET", location)
    assert (status.status, status.headers["Range"], status.headers["Location"]) == (204, "0-4", location)


async def left_of(collector: Collector, location: str) -> list[str]:
    """What the object store keeps of an upload."""
    upload_id, objects = location.rpartition("/")[2], collector.objects
    keys = [found.key async for found in objects.list("")] + [found.key async for found in objects.uploads("")]
    return [key for key in keys if upload_id in key]


async def test_a_cancelled_upload_is_gone(client: Client, collector: Collector, name: str) -> None:
    location = await begin(client, name)
    await client.call("PATCH", location, data=b"12345")
    assert (await client.call("DELETE", location)).status == 204
    for method in ("GET", "PATCH", "DELETE"):
        gone = await client.call(method, location, data=b"" if method == "PATCH" else None)
        assert (gone.status, gone.code) == (404, "BLOB_UPLOAD_UNKNOWN")
    assert await left_of(collector, location) == []


@pytest.mark.parametrize("chunks", [0, 1])
async def test_a_wrong_digest_ends_the_upload_and_leaves_nothing(
    client: Client, collector: Collector, name: str, chunks: int
) -> None:
    location, data = await begin(client, name), some_bytes(2 * MIB)
    for _ in range(chunks):
        await client.call("PATCH", location, data=data)
    wrong = {"digest": digest_of(b"something else")}
    refused = await client.call("PUT", location, params=wrong, data=b"" if chunks else data)
    assert (refused.status, refused.code) == (400, "DIGEST_INVALID")
    for digest in (wrong["digest"], digest_of(data)):
        assert (await client.call("GET", f"/v2/{name}/blobs/{digest}")).status == 404
    assert (await client.call("GET", location)).code == "BLOB_UPLOAD_UNKNOWN"
    assert await left_of(collector, location) == []


@pytest.mark.parametrize(
    "upload_id", ["..", "%2e%2e", ".", "x", "A" * 20, "a" * 21, "a" * 5000, "%00", "a%2fb", "%C3%A4"]
)
async def test_an_upload_id_that_none_can_have_is_unknown(
    client: Client, registry: Registry, name: str, upload_id: str
) -> None:
    await begin(client, name)
    headers = {"Authorization": "Bearer " + await client.token(f"repository:{name}:pull,push")}
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        url = URL(f"{registry.base}/v2/{name}/blobs/uploads/{upload_id}?digest={digest_of(b'x')}", encoded=True)
        async with registry.http.request(method, url, headers=headers, data=b"x") as answer:
            assert answer.status in (400, 404, 405), await answer.text()
            assert (await answer.json())["errors"][0]["code"] in (
                "BLOB_UPLOAD_UNKNOWN",
                "NAME_INVALID",
                "UNSUPPORTED",
                "UNKNOWN",
            )


async def test_an_upload_of_another_repository_is_unknown(client: Client, name: str) -> None:
    location = await begin(client, name)
    await client.push_blob(f"{name}/other", b"x")
    elsewhere = location.replace(name, f"{name}/other")
    for method in ("GET", "PATCH", "PUT", "DELETE"):
        refused = await client.call(method, elsewhere, data=b"x", params={"digest": digest_of(b"x")})
        assert (refused.status, refused.code) == (404, "BLOB_UPLOAD_UNKNOWN")


async def test_an_upload_goes_on_at_another_replica(client: Client, registry: Registry, name: str) -> None:
    data = some_bytes(5 * MIB + 123)
    async with registry.replica() as second, registry.replica() as third:
        clients = [client, second.client(), third.client()]
        location = await begin(client, name)
        cuts = [0, 1, 2 * MIB, 2 * MIB + 7, 4 * MIB, len(data)]
        for number, (start, end) in enumerate(itertools.pairwise(cuts)):
            # Each replica comes twice, so that a hash it kept from before would be stale.
            moved = await clients[number % 3].call("PATCH", location, data=data[start:end])
            assert (moved.status, moved.headers["Range"]) == (202, f"0-{end - 1}")
        done = await clients[0].call("PUT", location, params={"digest": digest_of(data)})
        assert done.status == 201
        for each in clients:
            assert (await each.call("GET", f"/v2/{name}/blobs/{digest_of(data)}")).body == data


def broken_off(method: str) -> float:
    """How many requests were given up because the client was gone."""
    labels = {"method": method, "status": "499"}
    return REGISTRY.get_sample_value("cloudly_registry_requests_total", labels) or 0.0


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_a_body_that_ends_too_soon_is_no_blob_and_its_space_is_given_back(
    client: Client, registry: Registry, cleanup: Cleanup, name: str, method: str
) -> None:
    data = some_bytes(3 * MIB)
    token = await client.token(f"repository:{name}:pull,push")
    location = await begin(client, name) if method == "PUT" else f"/v2/{name}/blobs/uploads/"
    host, _, port = registry.settings.http_listen.partition(":")
    for digest in (digest_of(data), digest_of(data[: 2 * MIB])):
        before = broken_off(method)
        _, writer = await asyncio.open_connection(host, int(port))
        head = f"{method} {location}?digest={digest} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        writer.write(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data[: 2 * MIB])
        await writer.drain()
        writer.close()
        async with asyncio.timeout(60):
            while broken_off(method) == before:
                await asyncio.sleep(0.05)
    await cleanup.run(silent)
    assert [found async for found in cleanup.objects.uploads("")] == []
    for digest in (digest_of(data), digest_of(data[: 2 * MIB])):
        assert (await client.call("HEAD", f"/v2/{name}/blobs/{digest}")).status == 404
    objects = [found.key async for found in cleanup.objects.list("registry/blobs/")]
    assert all([await cleanup.store.blob_of_object(key) for key in objects])


async def test_a_client_that_goes_away_goes_on_where_it_was(client: Client, registry: Registry, name: str) -> None:
    data = some_bytes(3 * MIB)
    location = await begin(client, name)
    token = await client.token(f"repository:{name}:pull,push")
    host, _, port = registry.settings.http_listen.partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = f"PATCH {location} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
    writer.write(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data[: 2 * MIB])
    await writer.drain()
    await asyncio.sleep(0.2)
    writer.transport.abort()
    offset = 0
    for _ in range(100):
        status = await client.call("GET", location)
        if status.status == 204 and (offset := int(status.headers["Range"].partition("-")[2]) + 1) > 1:
            break
        await asyncio.sleep(0.05)
    assert offset == 2 * MIB
    assert (await client.call("GET", f"/v2/{name}/blobs/{digest_of(data)}")).status == 404
    moved = await client.call(
        "PATCH", location, data=data[offset:], headers={"Content-Range": f"{offset}-{len(data) - 1}"}
    )
    assert moved.status == 202
    assert (await client.call("PUT", location, params={"digest": digest_of(data)})).status == 201


async def test_eight_pushes_at_once(client: Client, name: str) -> None:
    blobs = [some_bytes(MIB, number) for number in range(8)]
    async with asyncio.TaskGroup() as group:
        for blob in blobs:
            group.create_task(client.push_blob(name, blob))
    for blob in blobs:
        assert (await client.call("GET", f"/v2/{name}/blobs/{digest_of(blob)}")).body == blob


async def test_the_same_blob_pushed_by_many_at_once_is_readable_for_all(client: Client, name: str) -> None:
    blob = some_bytes(200_000)
    async with asyncio.TaskGroup() as group:
        for number in range(6):
            group.create_task(client.push_blob(f"{name}/{number % 3}", blob))
    for number in range(3):
        assert (await client.call("GET", f"/v2/{name}/{number}/blobs/{digest_of(blob)}")).body == blob


async def test_a_push_heals_a_link_whose_blob_has_no_record(client: Client, collector: Collector, name: str) -> None:
    blob = some_bytes(1000)
    digest = await client.push_blob(name, blob)
    rows = collector.store.database.raw("blobs")
    await rows.delete_one({"_id": digest})
    assert await client.push_blob(name, blob) == digest
    assert await rows.find_one({"_id": digest}) is not None
    assert (await client.call("GET", f"/v2/{name}/blobs/{digest}")).body == blob
