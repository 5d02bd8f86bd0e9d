"""Objects as files under one directory: the default store, and the fastest to serve from."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, suppress
from datetime import datetime
from pathlib import Path
from typing import Literal, ParamSpec, Self, TypeVar

from cloudly_kit.errors import NotFound
from cloudly_kit.objects.directory_upload import DirectoryUpload, begin, opened_upload
from cloudly_kit.objects.disk import (
    disk_errors,
    find,
    publish,
    remove,
    remove_older,
    scan,
    stat_of,
    sync_directory,
    write_all,
)
from cloudly_kit.objects.signing import UrlSigner
from cloudly_kit.objects.store import CHUNK_BYTES, ObjectStat, checked_key

P = ParamSpec("P")
T = TypeVar("T")

_THREADS = 8
"""Disk work of one process at a time; more only seek."""


class DirectoryStore:
    """Replicas on one machine (or one shared file system with POSIX locks) share the directory."""

    def __init__(self, root: Path, *, origin: str = "") -> None:
        self.root = root
        self._origin = origin
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="objects")
        self._signer: UrlSigner | None = None

    async def __aenter__(self) -> Self:
        """Make the directories and read or make the key that signs URLs."""
        secret = await self.in_thread(self._prepare)
        self._signer = UrlSigner(secret, self._origin)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let running disk work end."""
        await asyncio.to_thread(self._pool.shutdown)

    @property
    def signer(self) -> UrlSigner:
        """Checks the URLs that `presigned_get` of any replica made."""
        if self._signer is None:
            raise RuntimeError("the store is not open")
        return self._signer

    async def put(self, key: str, body: bytes | AsyncIterator[bytes]) -> ObjectStat:
        """See ObjectStore."""
        target, incoming = self.path(key), self.path(secrets.token_hex(16), "incoming")
        fd = await self.in_thread(os.open, incoming, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            if isinstance(body, bytes):
                await self.in_thread(write_all, fd, body)
            else:
                async for piece in body:
                    await self.in_thread(write_all, fd, piece)
            await self.in_thread(publish, fd, incoming, target, self.root)
            return stat_of(key, os.fstat(fd))
        except BaseException:
            with suppress(FileNotFoundError):
                incoming.unlink()
            raise
        finally:
            os.close(fd)

    async def begin_upload(self, key: str) -> None:
        """See ObjectStore: the empty file is the record of it."""
        await self.in_thread(begin, self.path(key, "uploads"), self.root)

    def open_upload(self, key: str) -> AbstractAsyncContextManager[DirectoryUpload]:
        """See ObjectStore."""
        return opened_upload(self, checked_key(key))

    def uploads(self, prefix: str) -> AsyncIterator[ObjectStat]:
        """See ObjectStore."""
        return self._walk(self.root / ".uploads", prefix)

    async def sweep(self, before: datetime) -> int:
        """See ObjectStore."""
        return await self.in_thread(remove_older, self.root / ".incoming", before)

    async def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """See ObjectStore."""
        fd = await self.in_thread(self._open, key)
        try:
            while end is None or start < end:
                length = CHUNK_BYTES if end is None else min(CHUNK_BYTES, end - start)
                piece = await self.in_thread(os.pread, fd, length, start)
                if not piece:
                    return
                start += len(piece)
                yield piece
        finally:
            os.close(fd)

    async def stat(self, key: str) -> ObjectStat | None:
        """See ObjectStore."""
        return await self.in_thread(find, self.path(key), key)

    async def delete(self, key: str) -> None:
        """See ObjectStore."""
        await self.in_thread(remove, self.path(key), self.root)

    def list(self, prefix: str) -> AsyncIterator[ObjectStat]:
        """See ObjectStore."""
        return self._walk(self.root, prefix)

    async def _walk(self, root: Path, prefix: str) -> AsyncIterator[ObjectStat]:
        # Only the directory in which the prefix ends can hold matches; a directory of many files is read in one go.
        parent = prefix.rpartition("/")[0]
        waiting = [checked_key(parent) if parent else ""]
        while waiting:
            directory = waiting.pop()
            objects, directories = await self.in_thread(scan, root, directory)
            waiting += [d for d in directories if d.startswith(prefix) or prefix.startswith(d + "/")]
            for found in objects:
                if found.key.startswith(prefix):
                    yield found

    async def presigned_get(self, key: str, ttl_seconds: int) -> str | None:
        """See ObjectStore; the registry's HTTP server answers these URLs."""
        return self.signer.url(checked_key(key), ttl_seconds)

    def local_path(self, key: str) -> Path | None:
        """See ObjectStore."""
        return self.path(key)

    def path(self, key: str, area: Literal["objects", "uploads", "incoming"] = "objects") -> Path:
        """The only place that knows the layout.

        <root>/
            <key>               a whole object; the slashes of its key are directories
            .uploads/<key>      an upload that grows; locked (flock) by the request that has it open
            .incoming/<random>  a put under way
            .signing-key        the secret of signed URLs, made by the first process that opens the store

        No segment of a key starts with a dot, so none of them can collide.
        """
        base = self.root if area == "objects" else self.root / f".{area}"
        return base / checked_key(key)

    async def in_thread(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run blocking disk work; what the disk cannot do is Unavailable.

        Cancellation waits for the thread: it may hold a file descriptor that the caller is about to close, and a
        closed number is soon another file's.
        """
        running = asyncio.get_running_loop().run_in_executor(self._pool, lambda: work(*args, **kwargs))
        with disk_errors():
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                while not running.done():
                    with suppress(asyncio.CancelledError):
                        await asyncio.wait([running])
                running.exception()
                raise

    def _prepare(self) -> bytes:
        for area in ("uploads", "incoming"):
            (self.root / f".{area}").mkdir(parents=True, exist_ok=True)
        key_file = self.root / ".signing-key"
        draft = self.path(secrets.token_hex(16), "incoming")
        if not key_file.exists():
            fd = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(secrets.token_bytes(32))
                file.flush()
                os.fsync(fd)
            with suppress(FileExistsError):  # a link appears whole or not at all, and only one of two racers makes it
                os.link(draft, key_file)
            draft.unlink()
            sync_directory(self.root)
        return key_file.read_bytes()

    def _open(self, key: str) -> int:
        try:
            return os.open(self.path(key), os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound("object", key) from None
