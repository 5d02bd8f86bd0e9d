"""Reading tags: requests that come while a read runs share the next one, whichever tags they ask for."""

import asyncio

from cloudly_registry.documents import TagRow
from cloudly_registry.store import RegistryStore

_AT_ONCE = 100


class TagReads:
    """A request never shares a read that had begun before it came: what was pushed before it, at any replica, is seen."""

    def __init__(self, store: RegistryStore) -> None:
        self._store = store
        self._waiting: dict[str, asyncio.Future[TagRow | None]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def read(self, image_id: str, tag: str) -> TagRow | None:
        """What a tag points to."""
        key = f"{image_id}/{tag}"
        found = self._waiting.get(key)
        if found is None:
            found = self._waiting[key] = asyncio.get_running_loop().create_future()
        if self._reading is None:
            self._reading = asyncio.create_task(self._read(), name="tag-reads")
        return await asyncio.shield(found)

    async def _read(self) -> None:
        try:
            while self._waiting:
                asked = {key: self._waiting.pop(key) for key in list(self._waiting)[:_AT_ONCE]}
                try:
                    rows = await self._store.tags_by_id(asked)
                except Exception as error:  # noqa: BLE001 - all who wait are told
                    for found in asked.values():
                        found.set_exception(error)
                    continue
                for key, found in asked.items():
                    found.set_result(rows.get(key))
        finally:
            self._reading = None
            for found in self._waiting.values():
                found.cancel()
