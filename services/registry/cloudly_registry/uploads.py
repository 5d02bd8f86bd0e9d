"""Blob uploads: bytes that arrive in one request or many, at one replica or several, until their digest is told.

The object store keeps the bytes, Mongo keeps that there is an upload, this process keeps at most a hash that saves
reading again what it has seen already. A hash is good only for exactly the bytes it has seen (`Upload.version`).
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.errors import Conflict, NotFound
from cloudly_kit.ids import new_id
from cloudly_kit.objects import ObjectStore, Upload
from cloudly_kit.store.documents import now

from cloudly_registry.blobs import PREFIX, Blobs
from cloudly_registry.documents import Blob, UploadDocument
from cloudly_registry.errors import DigestInvalid, RangeInvalid, UploadInvalid, UploadUnknown
from cloudly_registry.references import Hash, algorithm_of, new_hash
from cloudly_registry.store import RegistryStore

Pieces = AsyncIterator[Sequence[bytes]]

_REMEMBERED = 1000
_TOUCH_SECONDS = 600
"""An upload's time is moved on at most so often: one write a request would cost more than it tells."""


@dataclass
class _Seen:
    """What has been hashed of an upload so far."""

    hasher: Hash
    algorithm: str
    version: str


class Uploads:
    """Uploads of all repositories."""

    def __init__(self, store: RegistryStore, objects: ObjectStore, blobs: Blobs) -> None:
        self._store = store
        self._objects = objects
        self._blobs = blobs
        self._seen: OrderedDict[str, _Seen] = OrderedDict()

    async def start(self, image_id: str, started_by: str, algorithm: str = "sha256") -> UploadDocument:
        """Begin an upload; the record comes before the first byte, so that no byte is ever without one."""
        id = new_id()
        key = f"{PREFIX}{id[:2]}/{id}"
        document = UploadDocument(id=id, image_id=image_id, object_key=key, started_by=started_by, algorithm=algorithm)
        created, _ = await self._store.uploads.insert(document)
        return created

    async def get(self, image_id: str, upload_id: str) -> UploadDocument:
        """An upload of this repository. Raises UploadUnknown."""
        found = await self._store.uploads.find(upload_id)
        if found is None or found.image_id != image_id:
            raise UploadUnknown(upload_id)
        return found

    async def offset(self, upload: UploadDocument) -> int:
        """How many bytes it holds."""
        async with self._opened(upload) as stored:
            return stored.offset

    async def append(self, upload: UploadDocument, start: int | None, pieces: Pieces) -> int:
        """Add bytes, which begin at `start` (None: wherever it stands); how many bytes it holds then, durably.

        Raises:
            RangeInvalid: it stands elsewhere.
            UploadInvalid: another request is writing to it.
        """
        async with self._opened(upload) as stored:
            _check_start(stored, start)
            await self._take(upload, stored, upload.algorithm, pieces)
            crashpoint("registry.upload.after_append")
        await self._touch(upload)
        return stored.offset

    async def finish(self, upload: UploadDocument, digest: str, start: int | None, pieces: Pieces) -> Blob:
        """Add the last bytes, check the whole against its digest, and make it a blob of the repository.

        Raises:
            RangeInvalid, UploadInvalid: as `append`.
            DigestInvalid: it is something else; the upload is gone then.
        """
        async with self._opened(upload) as stored:
            _check_start(stored, start)
            seen = await self._take(upload, stored, algorithm_of(digest), pieces)
            matches = f"{seen.algorithm}:{seen.hasher.hexdigest()}" == digest
            if matches:
                crashpoint("registry.upload.before_object")
                whole = await stored.commit()
                crashpoint("registry.upload.after_object")
        self._seen.pop(upload.id, None)
        if not matches:
            await self.cancel(upload)
            raise DigestInvalid("provided digest did not match uploaded content", {"digest": digest})
        return await self._blobs.record(upload, digest, whole)

    async def cancel(self, upload: UploadDocument) -> None:
        """Forget an upload and its bytes. Raises UploadInvalid when another request is writing to it."""
        self._seen.pop(upload.id, None)
        try:
            await self._objects.discard_upload(upload.object_key)
            await self._store.uploads.delete(upload.id)
        except Conflict as error:
            raise UploadInvalid(error.message, status=409) from error
        except NotFound:
            pass  # cancelled twice at once

    async def _take(self, upload: UploadDocument, stored: Upload, algorithm: str, pieces: Pieces) -> _Seen:
        seen = self._seen.pop(upload.id, None)
        if seen is None or seen.version != stored.version or seen.algorithm != algorithm:
            seen = _Seen(new_hash(algorithm), algorithm, "")
            async for piece in stored.read():
                seen.hasher.update(piece)
        async for batch in pieces:
            await stored.append(batch, seen.hasher)
        await stored.flush()
        # Only now: bytes that were hashed but not stored would make every later digest wrong.
        seen.version = stored.version
        self._seen[upload.id] = seen
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return seen

    async def _touch(self, upload: UploadDocument) -> None:
        if (now() - upload.update_time).total_seconds() > _TOUCH_SECONDS:
            await self._store.uploads.change(upload.id, lambda document: document)

    @asynccontextmanager
    async def _opened(self, upload: UploadDocument) -> AsyncIterator[Upload]:
        try:
            async with self._objects.open_upload(upload.object_key) as stored:
                yield stored
        except Conflict as error:
            raise UploadInvalid(error.message, status=409) from error


def _check_start(stored: Upload, start: int | None) -> None:
    if start is not None and start != stored.offset:
        raise RangeInvalid(stored.offset)
