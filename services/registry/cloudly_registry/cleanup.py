"""Giving space back: uploads that nobody went on with, objects that nothing refers to, rows of deleted repositories."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cloudly_kit.objects import ObjectStore
from cloudly_kit.store.documents import now

from cloudly_registry.blobs import PREFIX
from cloudly_registry.collector_store import CollectorStore
from cloudly_registry.errors import UploadInvalid
from cloudly_registry.store import RegistryStore
from cloudly_registry.uploads import Uploads

Report = Callable[[int, str], Awaitable[None]]
_BATCH = 200


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
        return {"uploads": uploads, "images": rows, "objects": objects, "bytes": freed}

    async def idle_uploads(self) -> int:
        """Cancel uploads that were left alone; how many."""
        cancelled = 0
        while batch := await self.store.idle_uploads(now() - self.keep, _BATCH):
            before = cancelled
            for upload in batch:
                # A commit whose process died before it was recorded is an upload too: its object is not a blob yet.
                if await self._cancelled(upload.id):
                    cancelled += 1
            if cancelled == before:
                break  # all of them are being written to at this moment
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
        async for found in self.objects.list(PREFIX):
            seen += 1
            if seen % 1000 == 0:
                await report(seen, "objects")
            if self._is_recent(found.modified) or await self._is_referenced(found.key):
                continue
            await self.objects.delete(found.key)
            deleted += 1
            freed += found.size
        return deleted, freed

    async def _cancelled(self, upload_id: str) -> bool:
        upload = await self.store.uploads.find(upload_id)
        if upload is None:
            return False
        try:
            await self.uploads.cancel(upload)
        except UploadInvalid:
            return False
        return True

    def _is_recent(self, modified: datetime) -> bool:
        return modified > now() - self.keep

    async def _is_referenced(self, key: str) -> bool:
        if await self.store.blob_of_object(key) is not None:
            return True
        upload_id = key.removeprefix(PREFIX).split("/")[1]
        return await self.store.uploads.find(upload_id) is not None
