"""Limits on attempts to log in: counted in Redis per account and address, and in this process while Redis is away.

What counts is a failure. An attempt is counted before the password is looked at, so that many at once cannot slip
through, and given back when it succeeds or when the fault was ours.

An account is also bounded over all addresses, but never for an address from which it logged in before: somebody who
fails on purpose from everywhere does not lock its owner out.
"""

import asyncio
import hashlib
import ipaddress
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
from cloudly_kit.errors import CredentialsInvalid, RateLimited
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from redis.asyncio import Redis
from redis.exceptions import RedisError

log = structlog.get_logger()

PER_ACCOUNT_AND_ADDRESS = RateLimitItemPerMinute(10, 5, namespace="pair")
PER_ADDRESS = RateLimitItemPerMinute(50, 5, namespace="address")
PER_ACCOUNT = RateLimitItemPerMinute(100, 15, namespace="account")

KNOWN_SECONDS = 30 * 86_400
"""So long an address from which an account logged in stays known to it."""
REDIS_SECONDS = 0.5
"""A slower Redis counts as away: a login does not wait for it."""
AWAY_SECONDS = 5.0
"""After a failure Redis is not asked for so long."""


@dataclass(frozen=True)
class _Count:
    bound: RateLimitItem
    key: str


class Attempts:
    """Admits attempts to prove an identity, or refuses them for a while."""

    def __init__(self, redis: "Redis") -> None:
        self._redis = redis
        self._shared = FixedWindowRateLimiter(
            RedisStorage(
                "async+redis://",
                implementation="redispy",
                key_prefix="cloudly.auth.attempts",
                connection_pool=redis.connection_pool,  # type: ignore[arg-type]  # the stub forgets this documented option
            )
        )
        self._own = FixedWindowRateLimiter(MemoryStorage())
        self._away_until = 0.0

    @asynccontextmanager
    async def attempt(self, *, account: str = "", address: str = "") -> AsyncIterator[None]:
        """Run one attempt inside; raise CredentialsInvalid there when it fails. A secret without a name has no account.

        Raises:
            RateLimited: too many failures before this one.
        """
        place = _place(address)
        counts = [_Count(PER_ADDRESS, _digest(place))]
        if account:
            counts.insert(0, _Count(PER_ACCOUNT_AND_ADDRESS, _digest(account, place)))
        limiter = await self._reserve(counts, account, place)
        try:
            yield
        except CredentialsInvalid:
            raise
        except Exception:
            await self._settle(limiter, counts)
            raise
        else:
            await self._settle(limiter, counts, remember=_known_key(account, place) if account else "")

    async def _reserve(self, counts: list[_Count], account: str, place: str) -> FixedWindowRateLimiter:
        if time.monotonic() >= self._away_until:
            try:
                async with asyncio.timeout(REDIS_SECONDS):
                    if account and not await self._redis.exists(_known_key(account, place)):
                        counts.append(_Count(PER_ACCOUNT, _digest(account)))
                    await _take(self._shared, counts)
                    return self._shared
            except (RedisError, OSError, TimeoutError) as error:
                self._note_away(error)
        # The bound over all addresses is left out here: without Redis nobody knows which addresses are known.
        del counts[2:]
        await _take(self._own, counts)
        return self._own

    async def _settle(self, limiter: FixedWindowRateLimiter, counts: Sequence[_Count], remember: str = "") -> None:
        """Give back what was counted; after a success also forget the pair's failures and remember its address."""
        try:
            async with asyncio.timeout(REDIS_SECONDS):
                for count in counts:
                    if remember and count.bound is PER_ACCOUNT_AND_ADDRESS:
                        await limiter.clear(count.bound, count.key)
                    else:
                        await limiter.hit(count.bound, count.key, cost=-1)
                if remember and limiter is self._shared:
                    await self._redis.set(remember, "1", ex=KNOWN_SECONDS)
        except (RedisError, OSError, TimeoutError) as error:
            self._note_away(error)

    def _note_away(self, error: BaseException) -> None:
        self._away_until = time.monotonic() + AWAY_SECONDS
        log.warning("auth.attempts_not_shared", error=type(error).__name__, retry_seconds=AWAY_SECONDS)


async def _take(limiter: FixedWindowRateLimiter, counts: Sequence[_Count]) -> None:
    for count in counts:
        if not await limiter.hit(count.bound, count.key):
            reset, _ = await limiter.get_window_stats(count.bound, count.key)
            raise RateLimited(int(reset - time.time()) + 1, "too many failed attempts")


def _place(address: str) -> str:
    """What counts as one address: an IPv4 address, or a whole /64 of IPv6, which one household has to itself."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _digest(*parts: str) -> str:
    # People type their password into the name field: what was typed does not become a key that others can read.
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _known_key(account: str, place: str) -> str:
    return f"cloudly.auth.known.{_digest(account, place)}"
