"""Limits on attempts to log in: counted in Redis per account and address, and in this process while Redis is away.

What counts is a failure. Only a few attempts of one account and address, and of one address, are looked at at once and the
others wait for them, so that a thousand guesses sent together are not a thousand guesses.

Second factors have bounds of their own, and are not looked at at all while Redis is away.

An account is also bounded over all addresses, and an address over all accounts, but neither where the account logged in from
the address before: somebody who fails on purpose from everywhere does not lock its owner out, nor does one program with an
old password everybody in its office.

Secrets of 256 bits (API tokens, jump codes, one-time links) are not guessed. Wrong ones are counted and refused, right ones
are never kept waiting by them.
"""

import asyncio
import hashlib
import ipaddress
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import unquote
from weakref import WeakValueDictionary

import structlog
from cloudly_kit.errors import CredentialsInvalid, RateLimited, Unavailable
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from redis.asyncio import Redis
from redis.exceptions import RedisError

log = structlog.get_logger()

PER_ACCOUNT_AND_ADDRESS = RateLimitItemPerMinute(10, 5, namespace="pair")
PER_ADDRESS = RateLimitItemPerMinute(50, 5, namespace="address")
PER_ACCOUNT = RateLimitItemPerMinute(100, 15, namespace="account")
SECRETS_PER_ADDRESS = RateLimitItemPerMinute(50, 5, namespace="secret-address")


@dataclass(frozen=True)
class Bounds:
    """How many failures in how long are borne."""

    per_account_and_address: RateLimitItem
    per_address: RateLimitItem
    per_account: RateLimitItem
    known: str
    """The Redis key prefix of known addresses: where the password was right, a second factor was not yet."""
    closed: bool = False
    """Refuse every attempt while Redis is away, rather than count in this process alone."""


PASSWORDS = Bounds(PER_ACCOUNT_AND_ADDRESS, PER_ADDRESS, PER_ACCOUNT, "cloudly.auth.known")
SECOND_FACTORS = Bounds(
    RateLimitItemPerMinute(5, 5, namespace="factor-pair"),
    RateLimitItemPerMinute(50, 5, namespace="factor-address"),
    # Each guess at a code hits with 3 in a million; with 20 an hour somebody who has the password, and any number of
    # addresses, needs more than a year for an even chance. Only who has the password comes so far as to use them up.
    RateLimitItemPerMinute(20, 60, namespace="factor-account"),
    "cloudly.auth.factor-known",
    closed=True,
)

AT_ONCE_PER_PAIR = 4
AT_ONCE_PER_ADDRESS = 16
"""In one process; by so many a bound may be exceeded."""

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

    def __init__(self, redis: "Redis", bounds: Bounds = PASSWORDS) -> None:
        self._redis = redis
        self._bounds = bounds
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
        self._slots: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def attempt(self, *, account: str = "", address: str = "") -> AsyncIterator[None]:
        """Run one attempt inside; raise CredentialsInvalid there when it fails. A passkey that logs in alone has no account.

        Raises:
            RateLimited: too many failures before this one.
            Unavailable: Redis is away, and what is attempted is not admitted uncounted.
        """
        place = _place(address)
        at_address = _Count(self._bounds.per_address, _digest(place))
        of_pair = _Count(self._bounds.per_account_and_address, _digest(account, place)) if account else None
        async with self._slot(at_address, AT_ONCE_PER_ADDRESS), self._slot(of_pair or at_address, AT_ONCE_PER_PAIR):
            counts = [of_pair, at_address] if of_pair else [at_address]
            if not await self._if_there(lambda: self._admit(counts, of_pair, self._known_key(account, place), account)):
                self._refuse_if_closed()
                # Without Redis nobody knows which addresses are known: the bound over all addresses is left out.
                await _refuse_beyond(self._own, counts[:2])
            try:
                yield
            except CredentialsInvalid:
                # Here too, so that a Redis that goes away does not take the count with it.
                await _count(self._own, counts)
                if not await self._if_there(lambda: _count(self._shared, counts)):
                    self._refuse_if_closed()
                raise
            if of_pair:
                await self._own.clear(of_pair.bound, of_pair.key)
                await self._if_there(lambda: self._remember(of_pair, self._known_key(account, place)))

    @asynccontextmanager
    async def secret(self, *, address: str) -> AsyncIterator[None]:
        """Look at a secret that cannot be guessed inside; raise CredentialsInvalid there when it is nobody's.

        Raises:
            RateLimited: it is nobody's, and so were too many before it.
        """
        of_address = _Count(SECRETS_PER_ADDRESS, _digest(_place(address)))
        async with self._slot(of_address, AT_ONCE_PER_ADDRESS):
            try:
                yield
            except CredentialsInvalid:
                if not await self._if_there(lambda: _count_within(self._shared, of_address)):
                    await _count_within(self._own, of_address)
                raise

    def _refuse_if_closed(self) -> None:
        if self._bounds.closed:
            log.error("auth.attempts_refused_without_redis", known=self._bounds.known)
            raise Unavailable("redis", "second factors cannot be checked while Redis is away: try again in a moment")

    def _known_key(self, account: str, place: str) -> str:
        return f"{self._bounds.known}.{_digest(account, place)}"

    def _slot(self, count: _Count, at_once: int) -> asyncio.Semaphore:
        key = f"{count.bound.namespace}.{count.key}.{at_once}"
        slot = self._slots.get(key)
        if slot is None:
            slot = self._slots[key] = asyncio.Semaphore(at_once)
        return slot

    async def _admit(self, counts: list[_Count], of_pair: _Count | None, known_key: str, account: str) -> None:
        if of_pair and await self._redis.exists(known_key):
            await _refuse_beyond(self._shared, [of_pair])
            return
        if of_pair:
            counts.append(_Count(self._bounds.per_account, _digest(account)))
        await _refuse_beyond(self._shared, counts)

    async def _remember(self, pair: _Count, known_key: str) -> None:
        await self._shared.clear(pair.bound, pair.key)
        await self._redis.set(known_key, "1", ex=KNOWN_SECONDS)

    async def _if_there(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Do something in Redis; False when Redis is away or slow."""
        if time.monotonic() < self._away_until:
            return False
        try:
            async with asyncio.timeout(REDIS_SECONDS):
                await work()
        except (RedisError, OSError, TimeoutError) as error:
            self._away_until = time.monotonic() + AWAY_SECONDS
            log.warning("auth.attempts_not_shared", error=type(error).__name__, retry_seconds=AWAY_SECONDS)
            return False
        return True


async def _refuse_beyond(limiter: FixedWindowRateLimiter, counts: Sequence[_Count]) -> None:
    for count in counts:
        if not await limiter.test(count.bound, count.key):
            reset, _ = await limiter.get_window_stats(count.bound, count.key)
            raise RateLimited(int(reset - time.time()) + 1, "too many failed attempts")


async def _count(limiter: FixedWindowRateLimiter, counts: Sequence[_Count]) -> None:
    for count in counts:
        await limiter.hit(count.bound, count.key)


async def _count_within(limiter: FixedWindowRateLimiter, count: _Count) -> None:
    await _refuse_beyond(limiter, [count])
    await _count(limiter, [count])


def _place(address: str) -> str:
    """What counts as one address: an IPv4 address, or a whole /64 of IPv6, which one household has to itself.

    gRPC tells a direct caller as `ipv4:192.0.2.1:50000` or `ipv6:%5B2001:db8::1%5D:50000`: the port is not the caller's.
    """
    kind, _, rest = address.partition(":")
    bare = unquote(rest).rpartition(":")[0].strip("[]") if kind in ("ipv4", "ipv6") else address
    try:
        parsed = ipaddress.ip_address(bare)
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
