"""Whether objects are where the records say: asked of the store where nothing else would notice, and remembered."""

import asyncio
import time
from collections import OrderedDict

from cloudly_kit.errors import Unavailable
from cloudly_kit.objects import ObjectStore

_BELIEVED_SECONDS = 600.0
_PATIENCE_SECONDS = 2.0
"""A store that is slow, or away, delays an answer no longer; then the record is believed."""
_REMEMBERED = 20_000


class Presence:
    """At most one question for each object in ten minutes, while it is there."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._seen: OrderedDict[str, float] = OrderedDict()

    async def is_there(self, key: str) -> bool:
        """Whether the store has the object, or had it some minutes ago, or does not answer."""
        if time.monotonic() - self._seen.get(key, float("-inf")) < _BELIEVED_SECONDS:
            return True
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                found = await self._objects.stat(key)
        except (Unavailable, TimeoutError):
            return True
        if found is None:
            return False
        self._seen[key] = time.monotonic()
        self._seen.move_to_end(key)
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return True
