"""Giving space back: uploads that nobody went on with, objects that nothing refers to, rows of deleted repositories."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cloudly_kit.objects import ObjectStat, ObjectStore
from cloudly_kit.store.documents import now

from cloudly_registry.blobs import PREFIX
from cloudly_registry.collector_store import CollectorStore
from cloudly_registry.errors import UploadInvalid, UploadUnknown
from cloudly_registry.store import RegistryStore
from cloudly_registry.uploads import BlobUpload, Uploads

Report = Callable[[int, str], Awaitable[None]]


@dataclass(frozen=True)
class Cleanup:
    """One run is safe at any time and beside any push: it takes only what was left alone for `keep`."""

    store: RegistryStore
    objects: ObjectStore
    uploads: Uploads
    keep: timedelta

    async def run(self, report: Report) -> dict[str, int]:
        """Do all of it; `report` is told how many things were looked at."""
        uploads = await self.idle_uploads()
        await report(uploads, "idle uploads")
        rows = await self.deleted_images()
        await report(uploads + rows, "deleted images")
        objects, freed = await self.unreferenced_objects(report)
        parts = await self.objects.sweep(now() - self.keep)
        return {"uploads": uploads, "images": rows, "objects": objects, "bytes": freed, "parts": parts}

    async def idle_uploads(self) -> int:
        """Cancel uploads that were left alone; how many."""
        cancelled = 0
        async for found in self.objects.uploads(PREFIX):
            if self.is_recent(found.modified):
                continue
            try:
                await self.uploads.cancel(BlobUpload.of_key(found.key))
            except (UploadUnknown, UploadInvalid):
                continue  # it ended meanwhile, or is being written to at this moment
            cancelled += 1
        return cancelled

    async def deleted_images(self) -> int:
        """Purge deleted repositories that nobody can bring back any more; how many had something left."""
        purged = 0
        rows = CollectorStore(self.store)
        for image_id in await rows.deleted_images():
            if await rows.purge(image_id):
                purged += 1
        return purged

    async def unreferenced_objects(self, report: Report) -> tuple[int, int]:
        """Delete objects that are no blob and no upload; how many, and their bytes."""
        seen = deleted = freed = 0
        async for found, orphan in self.orphans():
            seen += 1
            if seen % 1000 == 0:
                await report(seen, "objects")
            if orphan and not self.is_recent(found.modified):
                await self.objects.delete(found.key)
                deleted += 1
                freed += found.size
        return deleted, freed

    async def orphans(self) -> AsyncIterator[tuple[ObjectStat, bool]]:
        """All objects, and whether they are neither of a blob nor of an upload; young ones may become one."""
        # An upload ends after its blob is recorded; one that begins from here on has only recent objects.
        under_way = {upload.key async for upload in self.objects.uploads(PREFIX)}
        async for found in self.objects.list(PREFIX):
            used = found.key.rpartition("/")[0] in under_way
            yield found, not used and await self.store.blob_of_object(found.key) is None

    def is_recent(self, modified: datetime) -> bool:
        """Whether what was written then is left alone."""
        return modified > now() - self.keep
