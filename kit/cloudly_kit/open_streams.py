"""Streams end with the login that opened them, in either direction: it is checked when they begin, and they may last for
days.

Each process looks again and again at the logins of its own streams, at all of them with one question to Redis. What was
revoked is looked at, never told: no message can be lost, and replicas need not know of each other.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import structlog

from cloudly_kit.errors import DomainError, TokenExpired, TokenRevoked
from cloudly_kit.identity import CLOCK_SKEW_SECONDS, Identity, TokenVerifier

log = structlog.get_logger()

LOOK_SECONDS = 2.0
"""How often the logins are looked at; a stream outlives its login by little more."""

AT_ONCE = 200
"""How many are asked about together; without Redis these are so many calls of auth."""

M = TypeVar("M")


class OpenStream:
    """One stream and the login behind it."""

    def __init__(self, login: Identity, until: datetime | None) -> None:
        self.login = login
        self.until = until
        self._error: DomainError | None = None
        self._limit: asyncio.Timeout | None = None

    async def next(self, messages: AsyncIterator[M]) -> M | None:
        """The next message; None at the end.

        Raises:
            TokenRevoked, TokenExpired: the login has ended.
        """
        try:
            # A deadline in the past is how it is woken. Only waiting for a message is broken off, never work on one.
            async with asyncio.timeout(None) as self._limit:
                self._check()
                return await anext(messages, None)
        except TimeoutError:
            self._check()
            raise
        finally:
            self._limit = None

    def end(self, error: DomainError) -> None:
        """Have the stream end with this."""
        if self._error is not None:
            return
        self._error = error
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time())

    def _check(self) -> None:
        if self._error is not None:
            raise self._error


class OpenStreams:
    """The open streams of a process."""

    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier
        self._open: set[OpenStream] = set()

    @contextlib.contextmanager
    def opened(self, login: Identity, *, until_expiry: bool) -> Iterator[OpenStream]:
        """A stream is open while the block lasts; `until_expiry`: at most as long as the token that opened it."""
        skew = timedelta(seconds=CLOCK_SKEW_SECONDS)
        stream = OpenStream(login, login.expire_time + skew if until_expiry and login.expire_time else None)
        self._open.add(stream)
        try:
            yield stream
        finally:
            self._open.discard(stream)

    async def run(self) -> None:
        """Look at the logins, for ever."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """End the streams whose login has ended. Where nobody knows (Redis and auth are away), they go on."""
        now = datetime.now(UTC)
        by_session: dict[str, list[OpenStream]] = {}
        for stream in self._open:
            if stream.until is not None and stream.until <= now:
                stream.end(TokenExpired())
            else:
                by_session.setdefault(stream.login.session_id, []).append(stream)
        logins = [login for login in by_session if login]
        for start in range(0, len(logins), AT_ONCE):
            await self._look(by_session, logins[start : start + AT_ONCE])

    async def _look(self, by_session: Mapping[str, Sequence[OpenStream]], sessions: Sequence[str]) -> None:
        checks = (self._verifier.check_session(by_session[session][0].login) for session in sessions)
        # Asked in one turn of the loop, they are one trip to Redis.
        answers = await asyncio.gather(*checks, return_exceptions=True)
        for session, answer in zip(sessions, answers, strict=True):
            if isinstance(answer, TokenRevoked):
                for stream in by_session[session]:
                    stream.end(TokenRevoked())
        unknown = [one for one in answers if isinstance(one, BaseException) and not isinstance(one, TokenRevoked)]
        if unknown:
            log.warning("streams.logins_not_checked", count=len(unknown), error=repr(unknown[0]))
