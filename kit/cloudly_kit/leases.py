"""A lease in Redis: one owner at a time, for as long as it renews."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

log = structlog.get_logger()

_TAKE = """
local owner = redis.call('get', KEYS[1])
if owner and owner ~= ARGV[1] then return 0 end
redis.call('set', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_RELEASE = """
if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end
return 0
"""


class LeaseLost(Exception):
    """Another owner may hold the lease by now."""


class Lease:
    """The right to do something alone. It guards effort, not truth: writes still compare etags.

    A Redis that is away gives no lease and ends none before its time.
    """

    def __init__(self, redis: Redis, key: str, owner: str, ttl_seconds: float) -> None:
        self._key = key
        self._owner = owner
        self._ttl = ttl_seconds
        self._take = redis.register_script(_TAKE)
        self._release = redis.register_script(_RELEASE)
        self._until = 0.0

    async def acquire(self) -> bool:
        """Take it, or prolong it where it is ours already; False while another holds it or Redis is away."""
        asked = time.monotonic()
        try:
            taken = bool(await self._take(keys=[self._key], args=[self._owner, int(self._ttl * 1000)]))
        except (RedisError, OSError) as error:
            log.warning("lease.not_asked", key=self._key, error=repr(error))
            return False
        self._until = asked + self._ttl if taken else 0.0
        return taken

    async def renew(self) -> bool:
        """Prolong it; True while it is certainly ours, for its time also when Redis does not answer."""
        return await self.acquire() or time.monotonic() < self._until

    async def release(self) -> None:
        """Give it back, if it is still ours. A Redis that is away lets it run out."""
        self._until = 0.0
        try:
            await self._release(keys=[self._key], args=[self._owner])
        except (RedisError, OSError) as error:
            log.warning("lease.not_released", key=self._key, error=repr(error))

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Wait for the lease, hold it through the block, and give it back.

        Raises:
            LeaseLost: it could not be renewed in time; the block is cancelled.
        """
        while True:
            if await self.acquire():
                break
            await asyncio.sleep(self._ttl / 3 * random.uniform(0.5, 1.0))
        try:
            async with asyncio.timeout(self._ttl) as limit:
                renewing = asyncio.create_task(self._keep(limit), name=f"lease-{self._key}")
                try:
                    yield
                finally:
                    renewing.cancel()
                    await asyncio.gather(renewing, return_exceptions=True)
        except TimeoutError as error:
            if limit.expired():
                raise LeaseLost(self._key) from error
            raise
        finally:
            await self.release()

    async def _keep(self, limit: asyncio.Timeout) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._ttl / 3)
            if not await self.renew():
                limit.reschedule(loop.time())
                return
            limit.reschedule(loop.time() + self._until - time.monotonic())
