"""What only the directory store has: files, locks, signed URLs, and processes that die in the middle."""

import asyncio
import os
import stat
import sys
from pathlib import Path

import pytest
from cloudly_kit.errors import Conflict
from cloudly_kit.objects import DirectoryStore, UrlSigner

UPLOADER = """
import asyncio, os, sys
from pathlib import Path
from cloudly_kit.objects import DirectoryStore

async def main():
    async with DirectoryStore(Path(sys.argv[1])) as store:
        await store.begin_upload("blobs/u")
        async with store.open_upload("blobs/u") as upload:
            for _ in range(5):
                await upload.append([b"x" * 1000])
            print("appended", flush=True)
            await asyncio.sleep(60)

asyncio.run(main())
"""


def signature_parts(url: str) -> tuple[str, str, str]:
    path, _, query = url.partition("?")
    values = dict(part.split("=") for part in query.split("&"))
    return path.partition("/objects/")[2], values["expires"], values["signature"]


async def test_two_requests_cannot_write_to_one_upload(tmp_path: Path) -> None:
    async with DirectoryStore(tmp_path) as store, DirectoryStore(tmp_path) as other:
        await store.begin_upload("blobs/u")
        async with store.open_upload("blobs/u") as upload:
            await upload.append([b"mine"])
            with pytest.raises(Conflict):
                async with other.open_upload("blobs/u"):
                    pass
        async with other.open_upload("blobs/u") as upload:
            assert upload.offset == 4


async def test_a_committed_object_cannot_be_appended_to(tmp_path: Path) -> None:
    async with DirectoryStore(tmp_path) as store, DirectoryStore(tmp_path) as other:
        await store.begin_upload("blobs/u")
        async with store.open_upload("blobs/u") as upload:
            await upload.append([b"whole"])
            await upload.commit()
            with pytest.raises(Conflict):
                async with other.open_upload("blobs/u"):
                    pass
            with pytest.raises(Conflict):
                await upload.append([b" and more"])
        async with store.open_upload("blobs/u") as upload:
            with pytest.raises(Conflict):
                await upload.append([b" and more"])
        assert (tmp_path / "blobs/u").read_bytes() == b"whole"


async def test_a_killed_writer_leaves_what_it_wrote_and_no_lock(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", UPLOADER, tmp_path, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"appended\n"
    process.kill()
    await process.wait()
    async with DirectoryStore(tmp_path) as store:
        assert await store.stat("blobs/u") is None
        async with store.open_upload("blobs/u") as upload:
            assert upload.offset == 5000


async def test_a_cancelled_put_leaves_nothing(tmp_path: Path) -> None:
    async with DirectoryStore(tmp_path) as store:

        async def endless():
            while True:
                yield b"x" * 100_000

        task = asyncio.create_task(store.put("k", endless()))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await store.stat("k") is None
        assert list((tmp_path / ".incoming").iterdir()) == []


async def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    async with DirectoryStore(tmp_path) as store:
        await store.put("a/k", b"x")
        path = store.local_path("a/k")
        assert path is not None
        for file in (path, tmp_path / ".signing-key"):
            assert stat.S_IMODE(os.stat(file).st_mode) == 0o600


async def test_a_directory_is_not_an_object(tmp_path: Path) -> None:
    async with DirectoryStore(tmp_path) as store:
        await store.put("a/k", b"x")
        assert await store.stat("a") is None
        assert await store.stat("a/k/deeper") is None
        with pytest.raises(Conflict):
            await store.put("a/k/deeper", b"y")


async def test_empty_directories_go_with_their_last_object(tmp_path: Path) -> None:
    async with DirectoryStore(tmp_path) as store:
        await store.put("a/b/c/k", b"x")
        await store.put("a/k", b"x")
        await store.delete("a/b/c/k")
        assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["k"]


async def test_a_signed_url_of_one_replica_opens_at_another(tmp_path: Path) -> None:
    async with (
        DirectoryStore(tmp_path, origin="http://localhost:8080") as store,
        DirectoryStore(tmp_path, origin="http://localhost:8080") as other,
    ):
        url = await store.presigned_get("a/k", 60)
        assert url is not None
        assert url.startswith("http://localhost:8080/objects/a/k?")
        assert other.signer.allows(*signature_parts(url))


def test_a_signed_url_opens_nothing_else() -> None:
    signer = UrlSigner(b"secret", "http://localhost:8080")
    key, expires, signature = signature_parts(signer.url("a/k", 60))
    assert signer.allows(key, expires, signature)
    assert not signer.allows("a/other", expires, signature)
    assert not signer.allows(key, str(int(expires) + 1), signature)
    assert not signer.allows(key, expires, "0" * len(signature))
    assert not signer.allows(key, expires, "ä")
    assert not signer.allows(key, "", signature)
    assert not signer.allows(key, "²", signature)
    assert not UrlSigner(b"another", "").allows(key, expires, signature)


def test_a_signed_url_ends_with_its_time() -> None:
    signer = UrlSigner(b"secret", "http://localhost:8080")
    assert not signer.allows(*signature_parts(signer.url("a/k", -1)))
