"""What every object store can do, whichever it is; one test suite (kit/tests/test_objects.py) holds all to it."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, Self

from cloudly_kit.errors import InvalidArgument

CHUNK_BYTES = 1 << 20
"""Objects are read and written in pieces of about this size."""

_KEY = re.compile(r"[A-Za-z0-9_=~-][A-Za-z0-9._=~-]*(/[A-Za-z0-9_=~-][A-Za-z0-9._=~-]*)*")
_KEY_LENGTH = 512


def checked_key(key: str) -> str:
    """The key, if it is one.

    Raises:
        InvalidArgument: it is empty, too long, or has a segment that is empty, starts with a dot or holds other
            characters than letters, digits and `._=~-`: whatever a key is made from, it never leaves its store.
    """
    if len(key) > _KEY_LENGTH or not _KEY.fullmatch(key):
        raise InvalidArgument.of(("key", "must be segments of letters, digits and ._=~- joined by single slashes"))
    return key


@dataclass(frozen=True)
class ObjectStat:
    """An object that is there; `size` in bytes, `modified` in UTC."""

    key: str
    size: int
    modified: datetime


class Hasher(Protocol):
    """What hashlib makes."""

    def update(self, data: bytes, /) -> None:
        """Take more bytes in."""


class Upload(Protocol):
    """An object that grows over several requests, perhaps on several replicas, and appears when it is committed."""

    key: str
    offset: int
    """Bytes taken so far."""
    committed: bool
    """Whether an earlier request has committed it, as far as the store can tell."""

    @property
    def version(self) -> str:
        """Opaque; equal to an earlier one of the same key exactly when the stored bytes are those of then."""

    async def append(self, pieces: Sequence[bytes], hasher: Hasher | None = None) -> None:
        """Write behind what is there; `hasher` takes the same bytes in, in the same trip to a thread."""

    async def flush(self) -> None:
        """Return when any replica would go on behind all that was appended.

        Processes may die then; only a commit also survives a power cut.
        """

    def read(self) -> AsyncIterator[bytes]:
        """What is stored, from its beginning (flush first): a replica that goes on hashes this."""

    async def commit(self) -> ObjectStat:
        """Finish: the answer's key is where the object is from now on, and no other writer can ever touch it.

        The key is the upload's own, or begins with it and a slash on stores that cannot rename. Durable on return.
        Committing again answers the same.
        """

    async def withdraw(self) -> None:
        """Say that it is going to be discarded. Who commits it at the same time, on stores without locks, learns of that by
        `rescue`: so look whether it was committed after this, and take the commit down before that.
        """

    async def rescue(self) -> ObjectStat | None:
        """What was committed under another key, where the upload was withdrawn meanwhile; None where it was not.

        Raises:
            NotFound: its bytes are gone.
        """

    async def discard(self, keep: str = "") -> None:
        """End it: nothing is left of it but the object `keep`, if that is what a commit answered."""


class ObjectStore(Protocol):
    """Bytes under keys. A key is either an object or a prefix of others (before a slash), never both.

    Missing objects raise NotFound, an unreachable, failing or full store raises Unavailable.
    """

    async def __aenter__(self) -> Self:
        """Open connections."""

    async def __aexit__(self, *_: object) -> None:
        """Close them."""

    async def put(self, key: str, body: bytes | AsyncIterator[bytes]) -> ObjectStat:
        """Store an object, replacing one of that key; readers see the old or the new one, whole. Durable on return."""

    async def begin_upload(self, key: str) -> None:
        """Begin an upload under a new key: from now on it can be opened, until it is discarded."""

    def open_upload(self, key: str) -> AbstractAsyncContextManager[Upload]:
        """Go on with an upload wherever it was left. On leaving, what was appended is kept.

        Raises:
            NotFound: it was never begun, or is discarded.
            Conflict: another request has it open (stores that can tell).
        """

    def uploads(self, prefix: str) -> AsyncIterator[ObjectStat]:
        """Uploads under way whose keys begin with `prefix`; `modified` says when bytes last came."""

    async def sweep(self, before: datetime) -> int:
        """Remove what writes that died before then have left in places that nothing else looks at; how many."""

    def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to, not including, `end`."""

    async def stat(self, key: str) -> ObjectStat | None:
        """Size and time, or None."""

    async def delete(self, key: str) -> None:
        """Remove it, if it is there."""

    def list(self, prefix: str) -> AsyncIterator[ObjectStat]:
        """All objects whose keys begin with `prefix`, in no particular order."""

    async def presigned_get(self, key: str, ttl_seconds: int) -> str | None:
        """A URL under which anyone can read the object for a while; None where clients cannot reach the store."""

    def local_path(self, key: str) -> Path | None:
        """Where the object is as a file, for sendfile; None for remote stores. It may not exist."""
