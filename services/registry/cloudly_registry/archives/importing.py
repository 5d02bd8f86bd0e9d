"""From an archive to an image: bytes go straight into uploads, and nothing is tagged before all of the archive is here.

Layers whose name is their digest (`docker save` since 25, OCI layouts) become blobs of the repository as they come, as in a
push; what comes of them is the collector's. Older archives name their layers' digests in files that may come last: until
then there are only uploads, of this process; whatever goes wrong cancels them, and a crash leaves them to upload-cleanup.
"""

import asyncio
import posixpath
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import structlog
from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.errors import FailedPrecondition

from cloudly_registry.archives import layouts
from cloudly_registry.archives.gzip import unpacked
from cloudly_registry.archives.tar import ArchiveInvalid, Entry, entries
from cloudly_registry.blobs import Blobs
from cloudly_registry.errors import BlobUnknown, Denied, OciError
from cloudly_registry.manifests import Manifests
from cloudly_registry.references import checked_digest, digest_of
from cloudly_registry.uploads import BlobUpload, Uploads

log = structlog.get_logger()

_SMALL = 4 << 20
_MOST_KEPT = 64 << 20
_MOST_ENTRIES = 20_000
_MOST_LINKS = 40
_BATCH = 1 << 20
_HEAD = 4
"""So many bytes tell how a layer is compressed."""
_SKIPPED = ("VERSION", "repositories", "oci-layout")
"""Files of old and new archives that say nothing that is needed."""


@dataclass
class _Part:
    size: int
    head: bytes
    body: bytes | None = None
    upload: BlobUpload | None = None
    is_stored: bool = False
    """It is a blob already."""


@dataclass
class _Taken:
    """An archive's files so far."""

    parts: dict[str, _Part] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    kept: int = 0

    def followed(self) -> dict[str, _Part]:
        """The files by all of their names."""
        found = dict(self.parts)
        for name in self.links:
            target = name
            for _ in range(_MOST_LINKS):
                if target in self.parts:
                    found[name] = self.parts[target]
                    break
                target = self.links.get(target, "")
        return found


class Importing:
    """Takes archives in."""

    def __init__(self, blobs: Blobs, uploads: Uploads, manifests: Manifests) -> None:
        self._blobs = blobs
        self._uploads = uploads
        self._manifests = manifests
        self._tidying: set[asyncio.Future[None]] = set()

    async def take(
        self, image_id: str, tag: str, source: AsyncIterator[bytes], by: str, present: Iterable[str] = ()
    ) -> str:
        """Store the image of an archive and point a tag to it; the manifest's digest.

        Blobs of these digests, which the repository has, count as if they were in the archive.

        Raises:
            ArchiveInvalid: it is not an archive of one image, or not whole.
            FailedPrecondition: the tag is immutable, or the repository's quota would be passed.
        """
        try:
            async with self._taken(image_id, source, present) as taken:
                return await self._store(image_id, tag, taken, by)
        except Denied as error:
            raise FailedPrecondition(error.message) from error
        except OciError as error:
            raise ArchiveInvalid(error.message) from error

    async def _store(self, image_id: str, tag: str, taken: _Taken, by: str) -> str:
        wanted = layouts.read(taken.followed())
        for digest, part in wanted.blobs.items():
            assert isinstance(part, _Part)
            if not part.is_stored:
                await self._make_blob(image_id, checked_digest(digest), part)
        crashpoint("registry.import.before_manifest")
        *others, (media_type, body) = wanted.manifests
        for other_type, other in others:
            await self._manifests.put(image_id, digest_of(other), other_type, other, by)
        row = await self._manifests.put(image_id, tag, media_type, body, by)
        log.info("registry.imported", image=image_id, tag=tag, digest=row.digest, by=by)
        return row.digest

    async def _make_blob(self, image_id: str, digest: str, part: _Part) -> None:
        upload, part.upload = part.upload, None
        if upload is None:
            body = part.body or b""
            upload = await self._uploads.start(image_id)
            await self._uploads.finish(upload, digest, None, _pieces(body))
        else:
            await self._uploads.finish(upload, digest, None, _pieces())

    @asynccontextmanager
    async def _taken(
        self, image_id: str, source: AsyncIterator[bytes], present: Iterable[str]
    ) -> AsyncIterator[_Taken]:
        """The archive's files; what has not become a blob when the block ends is gone."""
        taken = _Taken()
        try:
            for digest in present:
                taken.parts[layouts.name_of(digest)] = await self._present(image_id, digest)
            async for entry in entries(unpacked(source)):
                await self._take(image_id, taken, entry)
            yield taken
        finally:
            # A call that is cancelled may be cancelled again while it tidies up.
            tidying = asyncio.ensure_future(self._tidy(taken))
            self._tidying.add(tidying)
            tidying.add_done_callback(self._tidying.discard)
            await asyncio.shield(tidying)

    async def _tidy(self, taken: _Taken) -> None:
        for part in taken.parts.values():
            if part.upload is not None:
                await self._uploads.cancel(part.upload)

    async def _take(self, image_id: str, taken: _Taken, entry: Entry) -> None:
        name = posixpath.normpath(entry.name)
        if len(taken.parts) + len(taken.links) >= _MOST_ENTRIES:
            raise ArchiveInvalid(f"it holds more than {_MOST_ENTRIES} files")
        if entry.link:
            # A symbolic link is relative to its directory, a hard link to the archive.
            base = posixpath.dirname(name) if entry.symbolic else ""
            taken.links[name] = posixpath.normpath(posixpath.join(base, entry.link))
            return
        if posixpath.basename(name) in _SKIPPED or name in taken.parts:
            return
        pieces = entry.data()
        first = await anext(pieces, b"")
        part = _Part(entry.size, first[:_HEAD])
        if entry.size <= _SMALL and first[:1] in (b"{", b"["):
            part.body = first + b"".join([piece async for piece in pieces])
            taken.kept += entry.size
            if taken.kept > _MOST_KEPT:
                raise ArchiveInvalid("its JSON files are larger than 64 MiB together")
            taken.parts[name] = part
            return
        part.upload = await self._uploads.start(image_id)
        taken.parts[name] = part
        await self._uploads.append(part.upload, 0, _batches(first, pieces))
        digest = layouts.digest_in(name)
        if digest:
            # A blob at once, as from `docker push`: if the archive breaks off, it need not be sent again.
            await self._make_blob(image_id, checked_digest(digest), part)
            part.is_stored = True

    async def _present(self, image_id: str, digest: str) -> _Part:
        try:
            link = await self._blobs.get(image_id, checked_digest(digest))
        except BlobUnknown as error:
            raise ArchiveInvalid(f"{digest} is not here any more: send it with the archive") from error
        return _Part(link.size, await self._blobs.read(image_id, digest, _HEAD), is_stored=True)


async def _batches(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[Sequence[bytes]]:
    """In batches of about a mebibyte: one trip to a thread each."""
    batch, size = [first], len(first)
    async for piece in pieces:
        batch.append(piece)
        size += len(piece)
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


async def _pieces(*pieces: bytes) -> AsyncIterator[Sequence[bytes]]:
    if pieces:
        yield pieces
