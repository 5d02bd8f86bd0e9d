"""Whether sessions were revoked: Redis knows, and auth where Redis is away."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from redis.asyncio import Redis
from redis.exceptions import RedisError

from cloudly_kit.errors import DomainError
from cloudly_kit.identity import REVOKED_KEY

FRESH_SECONDS = 1.0
"""How long an answer of auth goes for new while Redis is away: then a logout counts after so long, and auth is asked once in
it about a session, however many calls there are."""
KEPT_SECONDS = 10.0
"""How old an answer of auth may be while neither Redis nor auth answers: a restart of auth takes less."""
MOST_KEPT = 10_000


class RevocationCheck:
    """Asks for a whole process. A trip to Redis costs half a verification, so calls that come together share one."""

    def __init__(self, redis: Redis, ask_auth: Callable[[str], Awaitable[bool]]) -> None:
        self._redis = redis
        self._ask_auth = ask_auth
        self._asking: tuple[set[str], asyncio.Task[set[str] | None]] | None = None
        """What is asked of Redis next: by all whose calls come in the same turn of the loop."""
        self._told: dict[str, tuple[bool, float]] = {}
        """What auth said, and when."""
        self._being_told: dict[str, asyncio.Task[bool]] = {}

    async def __call__(self, sid: str) -> bool:
        """Whether tokens with this sid are refused.

        Raises:
            DomainError: Redis is away, and auth does not answer either.
        """
        revoked = await self._asked_together(sid)
        return sid in revoked if revoked is not None else await self._of_auth(sid)

    async def _asked_together(self, sid: str) -> set[str] | None:
        if self._asking is None:
            asked: set[str] = set()
            self._asking = asked, asyncio.create_task(self._ask(asked), name="revocation-check")
        sids, answer = self._asking
        sids.add(sid)
        # One caller that goes away takes the answer from nobody.
        return await asyncio.shield(answer)

    async def _ask(self, asked: set[str]) -> set[str] | None:
        """Those that are revoked; None while Redis is away."""
        self._asking = None
        sids = list(asked)
        try:
            found = await self._redis.mget([REVOKED_KEY + sid for sid in sids])
        except (RedisError, OSError):
            return None
        return {sid for sid, value in zip(sids, found, strict=True) if value is not None}

    async def _of_auth(self, sid: str) -> bool:
        revoked, told = self._told.get(sid, (False, float("-inf")))
        # What was revoked stays so for as long as its tokens could live.
        if revoked or time.monotonic() - told < FRESH_SECONDS:
            return revoked
        asking = self._being_told.get(sid)
        if asking is None:
            asking = self._being_told[sid] = asyncio.create_task(self._tell(sid), name="revocation-of-auth")
        try:
            return await asyncio.shield(asking)
        except DomainError:
            if time.monotonic() - told < KEPT_SECONDS:
                return revoked
            raise

    async def _tell(self, sid: str) -> bool:
        try:
            revoked = await self._ask_auth(sid)
        finally:
            del self._being_told[sid]
        if len(self._told) > MOST_KEPT:
            self._told.clear()
        self._told[sid] = (revoked, time.monotonic())
        return revoked
