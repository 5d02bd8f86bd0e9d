"""Reading tags: many requests for one tag at once share a read, as when all nodes pull what was just deployed."""

import asyncio

from cloudly_registry.documents import TagRow
from cloudly_registry.store import RegistryStore


class TagReads:
    """A request never shares a read that had begun before it came: what was pushed before it, at any replica, is seen."""

    def __init__(self, store: RegistryStore) -> None:
        self._store = store
        self._waiting: dict[str, asyncio.Task[TagRow | None]] = {}
        self._running: dict[str, asyncio.Task[TagRow | None]] = {}

    async def read(self, image_id: str, tag: str) -> TagRow | None:
        """What a tag points to."""
        key = f"{image_id}/{tag}"
        task = self._waiting.get(key)
        if task is None:
            task = asyncio.create_task(self._after_running(key, image_id, tag), name="tag-read")
            self._waiting[key] = task
        return await asyncio.shield(task)

    async def _after_running(self, key: str, image_id: str, tag: str) -> TagRow | None:
        before = self._running.get(key)
        if before is not None:
            await asyncio.wait([before])
        # From here on nobody joins: the next request waits for the next read.
        self._running[key] = self._waiting.pop(key)
        try:
            return await self._store.tag(image_id, tag)
        finally:
            del self._running[key]
