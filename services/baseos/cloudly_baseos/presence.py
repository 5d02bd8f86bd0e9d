"""Who reported lately: one Redis key a device, gone by itself. Reports are many and worth nothing later, so Mongo is
spared them (decision: heartbeats stay in Redis).
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

KEY = "cloudly.baseos.alive."
SINCE_KEY = "cloudly.baseos.presence"

MISSED_REPORTS = 3
"""So many reports may be late before a device counts as gone."""

log = structlog.get_logger()


class Presence:
    """The times of the newest reports."""

    def __init__(self, redis: Redis, heartbeat_seconds: int) -> None:
        self._redis = redis
        self.patience_seconds = heartbeat_seconds * MISSED_REPORTS

    async def report(self, node_id: str, now: datetime) -> None:
        """A device has reported. With Redis away the report is lost, which costs nothing: the next one comes soon."""
        try:
            await self._redis.set(KEY + node_id, int(now.timestamp() * 1000), ex=self.patience_seconds)
        except (RedisError, OSError) as error:
            log.warning("presence.report_lost", node=node_id, error=repr(error))

    async def forget(self, node_id: str) -> None:
        """The device is no longer one of ours."""
        try:
            await self._redis.delete(KEY + node_id)
        except (RedisError, OSError) as error:
            log.warning("presence.forgets_later", node=node_id, error=repr(error))

    async def times(self, node_ids: Sequence[str]) -> dict[str, datetime]:
        """The newest reports of those that are present; empty while Redis is away."""
        if not node_ids:
            return {}
        try:
            values = await self._redis.mget([KEY + node_id for node_id in node_ids])
        except (RedisError, OSError) as error:
            log.warning("presence.unknown", error=repr(error))
            return {}
        return {
            node_id: datetime.fromtimestamp(int(value) / 1000, UTC)
            for node_id, value in zip(node_ids, values, strict=True)
            if value is not None
        }

    async def knows_who_is_gone(self, now: datetime) -> bool:
        """Whether a missing key means a missing device: not so for a while after Redis was emptied, when all are missing.

        Raises:
            RedisError: Redis is away, so nobody knows.
        """
        await self._redis.set(SINCE_KEY, int(now.timestamp()), nx=True)
        since = int(await self._redis.get(SINCE_KEY) or now.timestamp())
        return now.timestamp() - since >= self.patience_seconds
