"""Blob uploads: bytes that arrive in one request or many, at one replica or several, until their digest is told.

The object store keeps the bytes and that there is an upload at all, under a key that holds the repository and an id
that nobody can guess; this process keeps at most a hash that saves reading again what it has seen already. A hash is
good only for exactly the bytes it has seen (`Upload.version`). Mongo learns of what is whole.
"""

import re
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.errors import Conflict, NotFound
from cloudly_kit.ids import new_id
from cloudly_kit.objects import ObjectStore, Upload
from cloudly_kit.store import now

from cloudly_registry.blobs import PREFIX, Blobs
from cloudly_registry.documents import Blob
from cloudly_registry.errors import Denied, DigestInvalid, RangeInvalid, UploadInvalid, UploadUnknown
from cloudly_registry.quotas import Allowance
from cloudly_registry.references import Hash, algorithm_of, new_hash
from cloudly_registry.store import RegistryStore

Pieces = AsyncIterator[Sequence[bytes]]

_REMEMBERED = 1000
_ID = re.compile(r"[a-z2-7]{20}(-sha512)?")
_OTHER = "-sha512"


@dataclass(frozen=True)
class BlobUpload:
    """Where an upload is. The algorithm is what the client said that its digest will be of: only a saving, the digest
    itself decides.
    """

    image_id: str
    id: str

    @classmethod
    def of_key(cls, key: str) -> "BlobUpload":
        """The upload whose bytes are under this key."""
        image_id, _, id = key.removeprefix(PREFIX).partition("/")
        return cls(image_id, id)

    @property
    def object_key(self) -> str:
        """Where the object store has it."""
        return f"{PREFIX}{self.image_id}/{self.id}"

    @property
    def algorithm(self) -> str:
        """`sha256` or `sha512`."""
        return "sha512" if self.id.endswith(_OTHER) else "sha256"


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

    async def start(self, image_id: str, algorithm: str = "sha256") -> BlobUpload:
        """Begin an upload."""
        upload = BlobUpload(image_id, new_id() + (_OTHER if algorithm == "sha512" else ""))
        await self._objects.begin_upload(upload.object_key)
        return upload

    def get(self, image_id: str, upload_id: str) -> BlobUpload:
        """An upload of this repository, if there is one: whatever is done with it tells. Raises UploadUnknown."""
        if not image_id or not _ID.fullmatch(upload_id):
            raise UploadUnknown(upload_id)
        return BlobUpload(image_id, upload_id)

    async def count(self) -> int:
        """How many uploads are under way, in all repositories."""
        return sum([1 async for _ in self._objects.uploads(PREFIX)])

    async def offset(self, upload: BlobUpload) -> int:
        """How many bytes it holds."""
        async with self._opened(upload) as stored:
            return stored.offset

    async def append(
        self, upload: BlobUpload, start: int | None, pieces: Pieces, allowance: Allowance | None = None
    ) -> int:
        """Add bytes, which begin at `start` (None: wherever it stands); how many bytes it holds then.

        Raises:
            UploadUnknown: there is no such upload.
            RangeInvalid: it stands elsewhere.
            UploadInvalid: another request is writing to it.
            Denied: they do not fit into the repository's quota; the upload is gone then.
        """
        async with self._opened(upload) as stored:
            _check_start(stored, start)
            if allowance is not None:
                pieces = allowance.bounded(upload.id, stored.offset, "", pieces)
            await self._take(upload, stored, upload.algorithm, pieces)
            crashpoint("registry.upload.after_append")
        return stored.offset

    async def finish(
        self, upload: BlobUpload, digest: str, start: int | None, pieces: Pieces, allowance: Allowance | None = None
    ) -> Blob:
        """Add the last bytes, check the whole against its digest, and make it a blob of the repository.

        Raises:
            UploadUnknown, RangeInvalid, UploadInvalid, Denied: as `append`.
            DigestInvalid: it is something else; the upload is gone then.
        """
        async with self._opened(upload) as stored:
            _check_start(stored, start)
            if allowance is not None:
                pieces = allowance.bounded(upload.id, stored.offset, digest, pieces)
            seen = await self._take(upload, stored, algorithm_of(digest), pieces)
            matches = f"{seen.algorithm}:{seen.hasher.hexdigest()}" == digest
            self._seen.pop(upload.id, None)
            if not matches:
                await stored.discard()
                if allowance is not None:
                    allowance.forget(upload.id)
                raise DigestInvalid("provided digest did not match uploaded content", {"digest": digest})
            crashpoint("registry.upload.before_object")
            with self._blobs.coming():
                whole = await stored.commit()
            crashpoint("registry.upload.after_object")
            # Open, and so locked where there are locks, until it is recorded: a cancel beside us would take its bytes.
            blob = await self._blobs.record(upload.image_id, digest, whole)
            if blob.key == whole.key:
                blob = await self._rescued(upload, stored, blob)
            await stored.discard(keep=blob.key)
            if allowance is not None:
                allowance.finished(upload.id, digest, blob.size)
            return blob

    async def _rescued(self, upload: BlobUpload, stored: Upload, blob: Blob) -> Blob:
        """The blob, out of reach of a cancel that began before it was recorded, and so does not know of it.

        Raises:
            UploadUnknown: that has taken its bytes.
        """
        try:
            copy = await stored.rescue()
        except NotFound:
            await self._store.mark_blob(blob, now())
            raise UploadUnknown(upload.id) from None
        if copy is None:
            return blob
        await self._store.mark_blob(blob, now())  # so that the copy takes its place
        return await self._blobs.record(upload.image_id, blob.id, copy)

    async def cancel(self, upload: BlobUpload) -> None:
        """Forget an upload and its bytes, unless they are a blob by now.

        Raises:
            UploadUnknown: there is none.
            UploadInvalid: another request is writing to it.
        """
        self._seen.pop(upload.id, None)
        async with self._opened(upload) as stored:
            await stored.withdraw()
            blob = await self._store.blob_of_upload(upload.object_key)
            await stored.discard(keep=blob.key if blob else "")

    async def _take(self, upload: BlobUpload, stored: Upload, algorithm: str, pieces: Pieces) -> _Seen:
        seen = self._seen.pop(upload.id, None)
        if seen is None or seen.version != stored.version or seen.algorithm != algorithm:
            seen = _Seen(new_hash(algorithm), algorithm, "")
            if stored.offset:
                async for piece in stored.read():
                    seen.hasher.update(piece)
        try:
            async for batch in pieces:
                if stored.committed:  # by a request whose process died before it could say so
                    raise UploadInvalid("the upload is whole: only its digest can come now", status=409)
                await stored.append(batch, seen.hasher)
        except Denied:
            await stored.discard()
            raise
        await stored.flush()
        # Only now: bytes that were hashed but not stored would make every later digest wrong.
        seen.version = stored.version
        self._seen[upload.id] = seen
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return seen

    @asynccontextmanager
    async def _opened(self, upload: BlobUpload) -> AsyncIterator[Upload]:
        async with AsyncExitStack() as stack:
            try:
                stored = await stack.enter_async_context(self._objects.open_upload(upload.object_key))
            except NotFound as error:
                raise UploadUnknown(upload.id) from error
            except Conflict as error:
                raise UploadInvalid(error.message, status=409) from error
            if stored.committed and await self._store.blob_of_upload(upload.object_key):
                raise UploadUnknown(upload.id)
            yield stored


def _check_start(stored: Upload, start: int | None) -> None:
    if start is not None and start != stored.offset:
        raise RangeInvalid(stored.offset)
