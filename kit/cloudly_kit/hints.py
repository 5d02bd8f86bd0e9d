"""Hints: news over Redis Pub/Sub that may be lost. They make things fast; whoever listens looks again by itself too."""

import asyncio
import random
from collections.abc import AsyncIterator

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

log = structlog.get_logger()


class Hints:
    """Publishes hints and hears them."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def publish(self, name: str, payload: str = "") -> None:
        """Tell whoever listens. A Redis that is away loses the hint, which is allowed."""
        try:
            await self._redis.publish(_channel(name), payload)
        except (RedisError, OSError) as error:
            log.warning("hint.lost", hint=name, error=repr(error))

    async def subscribe(self, name: str) -> AsyncIterator[str]:
        """Payloads as they come, for ever. "" comes at first and after every gap: look at everything."""
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=True) as pubsub:
                    await pubsub.subscribe(_channel(name))
                    yield ""
                    while True:
                        message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=30)
                        if message is not None:
                            yield message["data"].decode()
            except (RedisError, OSError) as error:
                log.warning("hints.interrupted", hint=name, error=repr(error))
            await asyncio.sleep(random.uniform(0.2, 1.0))


def _channel(name: str) -> str:
    return f"cloudly.hint.{name}"
