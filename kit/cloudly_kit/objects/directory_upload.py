"""An upload to a directory store: a file that grows under a lock and is renamed when it is whole."""

import fcntl
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cloudly_kit.errors import Conflict, NotFound
from cloudly_kit.objects.disk import make_directories, publish, remove, stat_of, write_at
from cloudly_kit.objects.store import CHUNK_BYTES, Hasher, ObjectStat

if TYPE_CHECKING:
    from cloudly_kit.objects.directory import DirectoryStore


class DirectoryUpload:
    """See Upload. Held open, and locked, for one request only: between requests there is nothing but the file."""

    def __init__(self, store: "DirectoryStore", key: str, fd: int, *, committed: bool) -> None:
        self.key = key
        self.offset = os.fstat(fd).st_size
        self.committed = committed
        self._store = store
        self._fd = fd

    @property
    def version(self) -> str:
        """See Upload: only one writer at a time, who only appends, so the size tells all."""
        return str(self.offset)

    async def append(self, pieces: Sequence[bytes], hasher: Hasher | None = None) -> None:
        """See Upload."""
        if self.committed:
            raise Conflict("the upload is committed")
        self.offset += await self._store.in_thread(self._write, pieces, hasher)

    async def flush(self) -> None:
        """See Upload: other processes see what is written at once."""

    async def read(self) -> AsyncIterator[bytes]:
        """See Upload."""
        position = 0
        while piece := await self._store.in_thread(os.pread, self._fd, CHUNK_BYTES, position):
            position += len(piece)
            yield piece

    async def commit(self) -> ObjectStat:
        """See Upload."""
        if not self.committed:
            await self._store.in_thread(self._publish)
            self.committed = True
        return stat_of(self.key, os.fstat(self._fd))

    async def withdraw(self) -> None:
        """See Upload. Its lock keeps others away."""

    async def rescue(self) -> ObjectStat | None:
        """See Upload."""
        return None

    async def discard(self, keep: str = "") -> None:
        """See Upload."""
        if keep != self.key:
            path = self._store.path(self.key, "objects" if self.committed else "uploads")
            await self._store.in_thread(remove, path, self._store.root)

    def _publish(self) -> None:
        # The object is as old as its commit, however long the bytes have waited: that is what cleanups go by.
        os.utime(self._fd)
        publish(self._fd, self._store.path(self.key, "uploads"), self._store.path(self.key), self._store.root)

    def _write(self, pieces: Sequence[bytes], hasher: Hasher | None) -> int:
        if hasher is not None:
            for piece in pieces:
                hasher.update(piece)
        write_at(self._fd, pieces, self.offset)
        return sum(map(len, pieces))


@asynccontextmanager
async def opened_upload(store: "DirectoryStore", key: str) -> AsyncIterator[DirectoryUpload]:
    """Open and lock the file of an upload; the lock ends with the block."""
    fd, committed = await store.in_thread(_open, store, key)
    try:
        yield DirectoryUpload(store, key, fd, committed=committed)
    finally:
        os.close(fd)


def begin(path: Path, root: Path) -> None:
    """Make the empty file of an upload."""
    for _ in range(5):
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
            return
        except FileNotFoundError:  # no directory yet, or a discard beside us took the empty one away
            make_directories(path.parent, root)
    raise Conflict("the directory of the upload keeps disappearing")


def _open_locked(path: Path) -> int:
    """Open the file and lock it against other requests, here or in another process.

    Raises:
        Conflict: another request holds it.
        FileNotFoundError: it is not there.
    """
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(fd).st_ino == os.stat(path).st_ino:
                return fd
        except BlockingIOError:
            os.close(fd)
            raise Conflict("another request is writing to this upload") from None
        except FileNotFoundError:
            pass  # committed or discarded between open and lock: the next open says so
        os.close(fd)


def _open(store: "DirectoryStore", key: str) -> tuple[int, bool]:
    # In the order in which a commit moves it, so that it is in one of the two places when we look.
    try:
        return _open_locked(store.path(key, "uploads")), False
    except FileNotFoundError:
        pass
    try:
        return _open_locked(store.path(key)), True
    except FileNotFoundError:
        raise NotFound("upload", key) from None
