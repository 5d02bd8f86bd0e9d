"""One suite for all object stores: a directory, and S3 as moto and as rclone speak it."""

import asyncio
import hashlib
import itertools
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cloudly_kit.errors import InvalidArgument, NotFound, Unavailable
from cloudly_kit.objects import DirectoryStore, ObjectStore
from cloudly_kit.objects.s3 import S3Config, S3Store
from cloudly_kit.objects.testing import ACCESS_KEY, SECRET_KEY, moto_server, rclone_server
from cloudly_kit.testing import free_port

MIB = 1 << 20
Stores = tuple[ObjectStore, ObjectStore]


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a moto server."""
    with moto_server(tmp_path_factory.mktemp("moto")) as url:
        yield url


@pytest.fixture(scope="module")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an rclone server."""
    with rclone_server(tmp_path_factory.mktemp("rclone")) as url:
        yield url


def s3(endpoint: str, *, public: bool = False) -> S3Store:
    return S3Store(S3Config(endpoint, "us-east-1", "cloudly-test", ACCESS_KEY, SECRET_KEY, endpoint if public else ""))


@pytest.fixture(scope="module")
async def s3_stores(moto: str, rclone: str) -> AsyncIterator[dict[str, Stores]]:
    """Opening a client costs half a second, so all tests share these."""
    pairs = {name: (s3(endpoint), s3(endpoint)) for name, endpoint in (("moto", moto), ("rclone", rclone))}
    async with AsyncExitStack() as stack:
        for store in itertools.chain(*pairs.values()):
            await stack.enter_async_context(store)
        yield {**pairs}


@pytest.fixture(params=["directory", "moto", "rclone"])
async def stores(request: pytest.FixtureRequest, tmp_path: Path, s3_stores: dict[str, Stores]) -> AsyncIterator[Stores]:
    """The same store opened twice, as two replicas have it."""
    if request.param == "directory":
        first = DirectoryStore(tmp_path / "objects", origin="http://localhost:8080")
        second = DirectoryStore(tmp_path / "objects", origin="http://localhost:8080")
        async with first, second:
            yield first, second
        return
    store, other = s3_stores[request.param]
    async for begun in store.uploads(""):
        async with store.open_upload(begun.key) as upload:
            await upload.discard()
    async for leftover in store.list(""):
        await store.delete(leftover.key)
    yield store, other


async def read(store: ObjectStore, key: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([piece async for piece in store.get(key, start, end)])


async def pieces(data: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def some_bytes(length: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(length)


async def test_what_is_put_is_read_back_by_another_replica(stores: Stores) -> None:
    store, other = stores
    stat = await store.put("a/b/one.bin", b"hello")
    assert (stat.key, stat.size) == ("a/b/one.bin", 5)
    assert await read(other, "a/b/one.bin") == b"hello"
    found = await other.stat("a/b/one.bin")
    assert found is not None
    assert found.size == 5


async def test_a_put_replaces_what_was_there(stores: Stores) -> None:
    store, _ = stores
    await store.put("k", b"old and longer")
    await store.put("k", b"new")
    assert await read(store, "k") == b"new"


async def test_an_empty_object_exists(stores: Stores) -> None:
    store, _ = stores
    await store.put("empty", b"")
    found = await store.stat("empty")
    assert found is not None
    assert found.size == 0
    assert await read(store, "empty") == b""


async def test_a_body_of_unknown_length_arrives_whole(stores: Stores) -> None:
    store, other = stores
    data = some_bytes(21 * MIB + 17)
    stat = await store.put("large", pieces(data, 700_001))
    assert stat.size == len(data)
    assert await read(other, "large") == data


async def test_a_body_that_breaks_off_leaves_what_was_there(stores: Stores) -> None:
    store, _ = stores
    await store.put("k", b"old")

    async def broken() -> AsyncIterator[bytes]:
        yield some_bytes(9 * MIB)
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await store.put("k", broken())
    assert await read(store, "k") == b"old"
    assert [stat.key async for stat in store.list("")] == ["k"]


@pytest.mark.parametrize(
    ("start", "end"), [(0, 10), (5, None), (3 * MIB - 2, 3 * MIB + 5), (3 * MIB + 4, None), (7, 7)]
)
async def test_a_range_is_exactly_those_bytes(stores: Stores, start: int, end: int | None) -> None:
    store, _ = stores
    data = some_bytes(3 * MIB + 5)
    await store.put("k", data)
    assert await read(store, "k", start, end) == data[start:end]


async def test_a_range_behind_the_end_is_empty(stores: Stores) -> None:
    store, _ = stores
    await store.put("k", b"abc")
    assert await read(store, "k", 3, 10) == b""


async def test_a_missing_object_is_said_to_be_missing(stores: Stores) -> None:
    store, _ = stores
    assert await store.stat("nothing/here") is None
    with pytest.raises(NotFound):
        await read(store, "nothing/here")
    await store.delete("nothing/here")


async def test_a_deleted_object_is_gone_for_all(stores: Stores) -> None:
    store, other = stores
    await store.put("a/b/c", b"x")
    await other.delete("a/b/c")
    assert await store.stat("a/b/c") is None
    await store.put("a/b/c", b"y")
    assert await read(other, "a/b/c") == b"y"


async def test_a_list_holds_what_begins_with_the_prefix_and_nothing_else(stores: Stores) -> None:
    store, _ = stores
    for key in ("a/1", "a/2/x", "a/20", "ab", "b/1"):
        await store.put(key, b"x")
    assert {s.key async for s in store.list("")} == {"a/1", "a/2/x", "a/20", "ab", "b/1"}
    assert {s.key async for s in store.list("a/")} == {"a/1", "a/2/x", "a/20"}
    assert {s.key async for s in store.list("a/2")} == {"a/2/x", "a/20"}
    assert {s.key async for s in store.list("a")} == {"a/1", "a/2/x", "a/20", "ab"}
    assert {s.key async for s in store.list("zz/y")} == set()


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "a//b", "..", "a/../b", ".hidden", "a/.b", "a b", "a\0b", "ä", "x" * 513]
)
async def test_a_key_that_could_leave_the_store_is_refused(stores: Stores, key: str) -> None:
    store, _ = stores
    with pytest.raises(InvalidArgument):
        await store.put(key, b"x")
    with pytest.raises(InvalidArgument):
        await read(store, key)
    with pytest.raises(InvalidArgument):
        store.local_path(key)


async def test_an_upload_in_one_request_appears_at_commit(stores: Stores) -> None:
    store, other = stores
    data = some_bytes(10 * MIB + 3)
    hasher = hashlib.sha256()
    await store.begin_upload("blobs/u1")
    async with store.open_upload("blobs/u1") as upload:
        async for piece in pieces(data, MIB):
            await upload.append([piece[:100], piece[100:]], hasher)
        assert upload.offset == len(data)
        stat = await upload.commit()
    assert stat.size == len(data)
    assert stat.key == "blobs/u1" or stat.key.startswith("blobs/u1/")
    assert hasher.digest() == hashlib.sha256(data).digest()
    assert await read(other, stat.key) == data


async def test_an_upload_goes_on_where_another_replica_left_it(stores: Stores) -> None:
    store, other = stores
    data = some_bytes(6 * MIB + 11)
    await store.begin_upload("blobs/u2")
    replicas = [store, other]
    cut = [0, 10, 3 * MIB, 3 * MIB + 1, len(data)]
    for number, (start, end) in enumerate(itertools.pairwise(cut)):
        async with replicas[number % 2].open_upload("blobs/u2") as upload:
            assert upload.offset == start
            await upload.append([data[start:end]])
            await upload.flush()
    async with store.open_upload("blobs/u2") as upload:
        assert upload.offset == len(data)
        assert b"".join([piece async for piece in upload.read()]) == data
        stat = await upload.commit()
        await upload.discard(keep=stat.key)
    assert await read(other, stat.key) == data
    assert [s.key async for s in store.list("")] == [stat.key]


async def test_what_was_appended_is_kept_when_the_client_goes_away(stores: Stores) -> None:
    store, other = stores

    await store.begin_upload("blobs/u3")

    async def torn() -> None:
        async with store.open_upload("blobs/u3") as upload:
            await upload.append([b"half of "])
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await torn()
    async with other.open_upload("blobs/u3") as upload:
        assert upload.offset == 8
        await upload.append([b"it"])
        stat = await upload.commit()
    assert await read(store, stat.key) == b"half of it"


async def test_the_version_tells_whether_somebody_else_wrote(stores: Stores) -> None:
    store, other = stores
    await store.begin_upload("blobs/u4")
    async with store.open_upload("blobs/u4") as upload:
        await upload.append([b"one"])
        await upload.flush()
        mine = upload.version
    async with store.open_upload("blobs/u4") as upload:
        assert upload.version == mine
    async with other.open_upload("blobs/u4") as upload:
        await upload.append([b"two"])
        await upload.flush()
    async with store.open_upload("blobs/u4") as upload:
        assert upload.version != mine


async def test_a_commit_can_be_repeated_by_another_replica(stores: Stores) -> None:
    store, other = stores
    await store.begin_upload("blobs/u5")
    async with store.open_upload("blobs/u5") as upload:
        await upload.append([b"x" * 100])
        first = await upload.commit()
    async with other.open_upload("blobs/u5") as upload:
        assert upload.offset == 100
        assert b"".join([piece async for piece in upload.read()]) == b"x" * 100
        again = await upload.commit()
    assert (again.key, again.size) == (first.key, first.size)


async def test_an_empty_upload_is_an_empty_object(stores: Stores) -> None:
    store, _ = stores
    await store.begin_upload("blobs/u6")
    async with store.open_upload("blobs/u6") as upload:
        stat = await upload.commit()
    assert await read(store, stat.key) == b""


async def test_a_discarded_upload_leaves_nothing(stores: Stores) -> None:
    store, other = stores
    for key in ("blobs/u7", "blobs/u8"):
        await store.begin_upload(key)
    async with store.open_upload("blobs/u7") as upload:
        await upload.append([some_bytes(9 * MIB)])
    async with store.open_upload("blobs/u8") as upload:
        await upload.append([b"x"])
        await upload.commit()
    for key in ("blobs/u7", "blobs/u8"):
        async with other.open_upload(key) as upload:
            await upload.discard()
    assert [s.key async for s in store.list("")] == []
    assert [s.key async for s in store.uploads("")] == []
    for key in ("blobs/u7", "blobs/u8", "blobs/never"):
        with pytest.raises(NotFound):
            async with store.open_upload(key):
                pass


async def test_uploads_under_way_are_listed_until_they_end(stores: Stores) -> None:
    store, other = stores
    for key in ("blobs/a/1", "blobs/a/2", "blobs/b/3", "else/4"):
        await store.begin_upload(key)
    async with store.open_upload("blobs/a/2") as upload:
        await upload.append([b"x" * 100])
    async with store.open_upload("blobs/b/3") as upload:
        await upload.append([b"y"])
        stat = await upload.commit()
        await upload.discard(keep=stat.key)
    found = {stat.key: stat async for stat in other.uploads("blobs/")}
    assert set(found) == {"blobs/a/1", "blobs/a/2"}
    assert found["blobs/a/2"].modified >= found["blobs/a/1"].modified
    assert await read(other, stat.key) == b"y"


async def test_what_dead_writers_left_is_swept(stores: Stores) -> None:
    store, other = stores
    held = asyncio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        yield some_bytes(9 * MIB)
        held.set()
        await asyncio.Event().wait()

    writer = asyncio.create_task(store.put("k", stuck()))
    await held.wait()
    try:
        assert await other.sweep(datetime(2000, 1, 1, tzinfo=UTC)) == 0, "it may be alive"
        async with asyncio.timeout(30):
            while await other.sweep(datetime.now(UTC) + timedelta(hours=1)) == 0:
                await asyncio.sleep(0.05)  # its first part is on the way
        assert await other.sweep(datetime.now(UTC) + timedelta(hours=1)) == 0
    finally:
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
    assert await store.stat("k") is None


async def test_many_writers_at_once_each_get_their_own_bytes(stores: Stores) -> None:
    store, _ = stores

    async def one(number: int) -> None:
        data = some_bytes(MIB, number)
        await store.begin_upload(f"many/{number}")
        async with store.open_upload(f"many/{number}") as upload:
            async for piece in pieces(data, 100_000):
                await upload.append([piece])
            stat = await upload.commit()
        assert await read(store, stat.key) == data

    async with asyncio.TaskGroup() as group:
        for number in range(8):
            group.create_task(one(number))


async def test_s3_gives_out_a_url_only_where_clients_can_reach_it(rclone: str) -> None:
    import aiohttp

    async with s3(rclone) as hidden, s3(rclone, public=True) as public, aiohttp.ClientSession() as http:
        await public.put("signed/k", b"content")
        assert await hidden.presigned_get("signed/k", 60) is None
        url = await public.presigned_get("signed/k", 60)
        assert url is not None
        async with http.get(url) as answer:
            assert (answer.status, await answer.read()) == (200, b"content")
        async with http.get(url.replace("X-Amz-Signature=", "X-Amz-Signature=0")) as answer:
            assert answer.status == 403


async def test_an_s3_that_does_not_answer_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        async with s3(f"http://127.0.0.1:{free_port()}"):
            pass
