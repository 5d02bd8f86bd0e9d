"""Blobs: stored once, readable in the repositories that link them."""

from collections.abc import Iterable
from contextlib import AbstractContextManager

import structlog
from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.objects import ObjectStat, ObjectStore
from cloudly_kit.store import Session, now

from cloudly_registry.blob_records import BlobRecords
from cloudly_registry.documents import Blob, Link
from cloudly_registry.errors import BlobUnknown, NameUnknown, Unsupported
from cloudly_registry.presence import Presence
from cloudly_registry.quarantine import Quarantine
from cloudly_registry.shared_reads import SharedReads
from cloudly_registry.store import RegistryStore

log = structlog.get_logger()

PREFIX = "registry/blobs/"


class _Lost(Exception):
    """A blob's object is not there."""

    def __init__(self, blob: Blob) -> None:
        super().__init__(blob.id)
        self.blob = blob


class Blobs:
    """Blobs of all repositories."""

    def __init__(self, store: RegistryStore, objects: ObjectStore, quarantine: Quarantine) -> None:
        self._store = store
        self._objects = objects
        self._quarantine = quarantine
        self._records = BlobRecords(store, objects)
        self._link_reads = SharedReads(store.links_by_id)
        self.presence = Presence(objects)

    async def get(self, image_id: str, digest: str) -> Link:
        """Where a repository's blob is. Raises BlobUnknown."""
        link = await self._link_reads.read(f"{image_id}/{digest}")
        if link is None:
            raise BlobUnknown(digest)
        if link.lost_since is not None:
            return await self.moved(link)
        # Whoever asks may be about to push a manifest that needs it: the collector waits, unless it was faster.
        if link.unused_since is not None and not await self._store.use("links", link.id):
            raise BlobUnknown(digest)
        return link

    async def held(self, image_id: str, digests: Iterable[str]) -> list[str]:
        """Those of these blobs that a repository has, and the object store too."""
        found = []
        for digest in digests:
            try:
                link = await self.get(image_id, digest)
            except BlobUnknown:
                continue
            if await self.presence.is_there(link.key):
                found.append(digest)
        return found

    async def moved(self, link: Link) -> Link:
        """The link again, after its object was not found, or found damaged: the blob may have been stored anew since.

        Where it was not, and its object is missing, it is marked as lost.

        Raises:
            BlobUnknown: its bytes are lost.
        """
        blob = await self._store.blob(link.digest)
        if blob is None or blob.key == link.key:
            if blob is not None:
                await self._note_lost(blob)
            raise BlobUnknown(link.digest)
        return link.model_copy(update={"key": blob.key, "size": blob.size})

    async def _note_lost(self, blob: Blob) -> None:
        """Have clients bring a blob again whose bytes are gone. A store that shows nothing at all has lost its disk or its
        bucket, and not this blob.
        """
        if blob.lost_since is not None or await self._objects.stat(blob.key) is not None:
            return
        if await anext(self._objects.list(PREFIX), None) is None:
            return
        await self._store.mark_blob(blob, now())
        log.error("registry.blob_lost", digest=blob.id, object=blob.key)

    async def read(self, image_id: str, digest: str, limit: int) -> bytes:
        """The first `limit` bytes of a repository's blob; empty when it has none."""
        link = await self._store.link(image_id, digest)
        if link is None:
            return b""
        return b"".join([piece async for piece in self._objects.get(link.key, 0, min(limit, link.size))])

    def coming(self) -> AbstractContextManager[None]:
        """Around what an upload does right before `record`, so that those which end together are recorded together."""
        return self._records.coming()

    async def record(self, image_id: str, digest: str, stored: ObjectStat) -> Blob:
        """Let the repository of a finished upload read what was uploaded: from here on it is visible.

        The blob's object is `stored`, or one of the same bytes that was here before; then `stored` is not needed.
        """
        blob = await self._records.record(image_id, digest, stored)
        crashpoint("registry.blob.after_commit")
        return blob

    async def mount(self, image_id: str, source_image_id: str, digest: str) -> bool:
        """Let a repository read a blob of another one; False when that one has no such blob, or its bytes are lost."""

        async def work(session: Session) -> bool:
            link = await self._store.link(source_image_id, digest, session)
            blob = await self._store.blob(digest, session) if link else None
            if blob is None or blob.lost_since is not None:
                return False
            if not await self.presence.is_there(blob.key):
                raise _Lost(blob)
            await self._store.put_blob(blob, session)
            await self._store.put_link(image_id, blob, session)
            return True

        try:
            return await self._store.transaction(work)
        except _Lost as found:
            await self._note_lost(found.blob)
            return False

    async def mount_from_any(self, image_id: str, digest: str) -> bool:
        """Let a repository read a blob of whichever other one has it; False when none has."""
        source = await self._store.holder_of(digest)
        return bool(source) and await self.mount(image_id, source, digest)

    async def delete(self, image_id: str, digest: str, by: str) -> None:
        """Take a blob out of a repository.

        Raises:
            BlobUnknown: it is not in it.
            Unsupported: a manifest there refers to it.
        """

        async def work(session: Session) -> None:
            link = await self._store.link(image_id, digest, session)
            if link is None:
                raise BlobUnknown(digest)
            holder = await self._store.refers_to(image_id, digest, session)
            if holder:
                raise Unsupported("a manifest refers to the blob: delete that first", {"manifest": holder})
            image = await self._store.images.find(image_id, session=session)
            if image is None:
                raise NameUnknown(image_id)
            # Written so that it meets a manifest that is being pushed in another transaction and refers to the blob.
            await self._store.images.replace(image, session=session)
            await self._quarantine.take_blob(link, by, session)
            await self._store.delete_link(image_id, digest, session)

        await self._store.transaction(work)
