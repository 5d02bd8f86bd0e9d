"""Reading rows of Mongo: requests that come while a read runs share the next one, whichever rows they ask for."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Generic, TypeVar

Row = TypeVar("Row")

_AT_ONCE = 100


class SharedReads(Generic[Row]):
    """A request never shares a read that had begun before it came: what was pushed before it, at any replica, is seen."""

    def __init__(self, find: Callable[[Collection[str]], Awaitable[Mapping[str, Row]]]) -> None:
        self._find = find
        self._waiting: dict[str, asyncio.Future[Row | None]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def read(self, id: str) -> Row | None:
        """The row with this id."""
        found = self._waiting.get(id)
        if found is None:
            found = self._waiting[id] = asyncio.get_running_loop().create_future()
        if self._reading is None:
            self._reading = asyncio.create_task(self._read(), name="shared-reads")
        return await asyncio.shield(found)

    async def _read(self) -> None:
        try:
            while self._waiting:
                asked = {id: self._waiting.pop(id) for id in list(self._waiting)[:_AT_ONCE]}
                try:
                    rows = await self._find(asked)
                except Exception as error:  # noqa: BLE001 - all who wait are told
                    for found in asked.values():
                        found.set_exception(error)
                    continue
                for id, found in asked.items():
                    found.set_result(rows.get(id))
        finally:
            self._reading = None
            for found in self._waiting.values():
                found.cancel()
