"""A lease in Redis: one owner at a time, for as long as it renews."""

from redis.asyncio import Redis

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


class Lease:
    """The right to do something alone. It guards effort, not truth: writes still compare etags."""

    def __init__(self, redis: Redis, key: str, owner: str, ttl_seconds: float) -> None:
        self._key = key
        self._owner = owner
        self._ttl_ms = int(ttl_seconds * 1000)
        self._take = redis.register_script(_TAKE)
        self._release = redis.register_script(_RELEASE)

    async def acquire(self) -> bool:
        """Take it, or prolong it where it is ours already; False while another holds it."""
        return bool(await self._take(keys=[self._key], args=[self._owner, self._ttl_ms]))

    async def renew(self) -> bool:
        """As `acquire`: a Redis that forgot the lease is told again."""
        return await self.acquire()

    async def release(self) -> None:
        """Give it back, if it is still ours."""
        await self._release(keys=[self._key], args=[self._owner])
