"""An upload to a directory store: a file that grows under a lock and is renamed when it is whole."""

import fcntl
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cloudly_kit.errors import Conflict
from cloudly_kit.objects.disk import make_directories, publish, stat_of, sync_directory, write_at
from cloudly_kit.objects.store import CHUNK_BYTES, Hasher, ObjectStat

if TYPE_CHECKING:
    from cloudly_kit.objects.directory import DirectoryStore


class DirectoryUpload:
    """See Upload. Held open, and locked, for one request only: between requests there is nothing but the file."""

    def __init__(self, store: "DirectoryStore", key: str, fd: int, *, whole: bool) -> None:
        self.key = key
        self.offset = os.fstat(fd).st_size
        self._store = store
        self._fd = fd
        self._whole = whole  # committed before: a replica died between the rename and its own record of it
        self._dirty = False

    @property
    def version(self) -> str:
        """See Upload: only one writer at a time, who only appends, so the size tells all."""
        return str(self.offset)

    async def append(self, pieces: Sequence[bytes], hasher: Hasher | None = None) -> None:
        """See Upload."""
        if self._whole:
            raise Conflict("the upload is committed")
        self._dirty = True
        self.offset += await self._store.in_thread(self._write, pieces, hasher)

    async def flush(self) -> None:
        """See Upload."""
        if self._dirty:
            await self._store.in_thread(self._sync)
            self._dirty = False

    async def read(self) -> AsyncIterator[bytes]:
        """See Upload."""
        position = 0
        while piece := await self._store.in_thread(os.pread, self._fd, CHUNK_BYTES, position):
            position += len(piece)
            yield piece

    async def commit(self) -> ObjectStat:
        """See Upload."""
        if not self._whole:
            source, target = self._store.path(self.key, "uploads"), self._store.path(self.key)
            await self._store.in_thread(publish, self._fd, source, target, self._store.root)
            self._whole, self._dirty = True, False
        return stat_of(self.key, os.fstat(self._fd))

    def _write(self, pieces: Sequence[bytes], hasher: Hasher | None) -> int:
        if hasher is not None:
            for piece in pieces:
                hasher.update(piece)
        write_at(self._fd, pieces, self.offset)
        return sum(map(len, pieces))

    def _sync(self) -> None:
        os.fsync(self._fd)
        sync_directory(self._store.path(self.key, "uploads").parent)


@asynccontextmanager
async def opened_upload(store: "DirectoryStore", key: str) -> AsyncIterator[DirectoryUpload]:
    """Open and lock the file of an upload, making it where it is missing; the lock ends with the block."""
    fd, whole = await store.in_thread(_open, store, key)
    try:
        yield DirectoryUpload(store, key, fd, whole=whole)
    finally:
        os.close(fd)


def open_locked(path: Path, *, create: bool = False) -> int:
    """Open the file and lock it against other requests, here or in another process.

    Raises:
        Conflict: another request holds it.
        FileNotFoundError: it is not there and should not be created.
    """
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(fd).st_ino == os.stat(path).st_ino:
                return fd
        except BlockingIOError:
            os.close(fd)
            raise Conflict("another request is writing to this upload") from None
        except FileNotFoundError:
            pass  # committed or discarded between open and lock: look again
        os.close(fd)


def _open(store: "DirectoryStore", key: str) -> tuple[int, bool]:
    path = store.path(key, "uploads")
    try:
        return open_locked(path), False
    except FileNotFoundError:
        pass
    try:
        return os.open(store.path(key), os.O_RDONLY | os.O_CLOEXEC), True
    except FileNotFoundError:
        pass
    for _ in range(5):
        make_directories(path.parent, store.root)
        try:
            return open_locked(path, create=True), False
        except FileNotFoundError:
            continue  # a discard beside us took the empty directory away
    raise Conflict("the directory of the upload keeps disappearing")
