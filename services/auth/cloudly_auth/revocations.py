"""What was revoked: written to Mongo first, then announced in Redis, where every verifier looks.

Redis holds `cloudly.revoked.<sid>` as long as a token of that sid could still live. It may lose everything: the
announcements are made again from Mongo at every start of auth, every minute, and whenever Redis comes back or was wiped.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import structlog
from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.identity import CLOCK_SKEW_SECONDS, REVOKED_KEY
from cloudly_kit.store import Session as Transaction
from redis.asyncio import Redis
from redis.exceptions import RedisError

from cloudly_auth.store import AuthStore, Revocation

log = structlog.get_logger()

LOOK_SECONDS = 2.0
"""How often Redis is asked whether it is still the one that was told."""
TELL_AGAIN_SECONDS = 60.0
TOLD_KEY = "cloudly.auth.revocations"
"""Exists in a Redis that was told; a wiped one has lost it too."""


class Revocations:
    """Sessions, credentials and machine identities whose tokens are refused, by the sid of those tokens."""

    def __init__(self, store: AuthStore, redis: "Redis") -> None:
        self._store = store
        self._redis = redis
        self._told_run = ""
        self._told_at = -TELL_AGAIN_SECONDS

    async def record(
        self, sid: str, longest_token: timedelta, transaction: Transaction, *, effective: datetime | None = None
    ) -> Revocation:
        """Write, together with its reason, that tokens with this sid are refused from now or from `effective` on.

        Write the reason first, so that two who do the same at once meet there; `announce` what this answers afterwards.
        `longest_token` is the longest life of a token with this sid; after that the revocation is forgotten.
        """
        begins = effective or datetime.now(UTC)
        until = begins + longest_token + timedelta(seconds=2 * CLOCK_SKEW_SECONDS)
        earlier = await self._store.revocations.find(sid, session=transaction)
        if earlier is None:
            revocation = Revocation(id=sid, effective_time=begins, until_time=until)
            recorded, _ = await self._store.revocations.insert(revocation, session=transaction)
            return recorded
        # An earlier one may begin later (a jump code that runs out) or end sooner.
        begins, until = min(begins, earlier.effective_time), max(until, earlier.until_time)
        return await self._store.revocations.change(
            sid,
            lambda old: old.model_copy(update={"effective_time": begins, "until_time": until}),
            session=transaction,
        )

    async def announce(self, revocations: Sequence[Revocation]) -> None:
        """Tell the verifiers what was recorded; a Redis that is away is told when it is back."""
        crashpoint("auth.revocations.announce.before")
        try:
            await self._announce(revocations)
        except (RedisError, OSError) as error:
            self._told_run = ""
            log.warning("auth.revocations_announced_later", count=len(revocations), error=type(error).__name__)

    async def is_revoked(self, sid: str) -> bool:
        """What Mongo says; for verifiers while Redis is away."""
        found = await self._store.revocations.find(sid)
        now = datetime.now(UTC)
        return found is not None and found.effective_time <= now < found.until_time

    async def keep_announced(self) -> None:
        """For ever: tell a Redis that has not been told, or has forgotten."""
        while True:
            try:
                await self._tell_if_needed()
            except (RedisError, OSError) as error:
                if self._told_run:
                    log.warning("auth.revocations_redis_away", error=type(error).__name__)
                self._told_run = ""
            await asyncio.sleep(LOOK_SECONDS)

    async def _tell_if_needed(self) -> None:
        # A restarted Redis may have lost its last second (appendfsync everysec): another run_id is another Redis.
        run = str((await self._redis.info("server"))["run_id"])
        now = asyncio.get_running_loop().time()
        told = run == self._told_run and now - self._told_at < TELL_AGAIN_SECONDS
        if told and await self._redis.exists(TOLD_KEY):
            return
        everything = await self._store.living_revocations()
        await self._announce(everything)
        await self._redis.set(TOLD_KEY, run)
        if run != self._told_run:
            log.info("auth.revocations_announced", count=len(everything))
        self._told_run, self._told_at = run, now

    async def _announce(self, revocations: Sequence[Revocation]) -> None:
        now = datetime.now(UTC)
        async with self._redis.pipeline(transaction=False) as pipe:
            for revocation in revocations:
                seconds = int((revocation.until_time - now).total_seconds())
                if revocation.effective_time <= now and seconds > 0:
                    pipe.set(REVOKED_KEY + revocation.id, "1", ex=seconds)
            await pipe.execute()
