"""Hearing other services' events: each takes effect once, in the reader's own transaction, whoever dies when."""

import os
import random
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import structlog
from cloudly.auth.v1 import audit_pb2
from google.protobuf.message import Message
from prometheus_client import Counter
from pydantic import Field
from pymongo.errors import ConnectionFailure
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from cloudly_kit.audit.calls import audited
from cloudly_kit.audit.journal import Journal
from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.errors import AlreadyExists, Conflict, DeadlineExceeded, Unavailable
from cloudly_kit.outbox import acked_key, stream_key
from cloudly_kit.store import Collection, Database, Document, Index, Session
from cloudly_kit.store.documents import now

log = structlog.get_logger()
M = TypeVar("M", bound=Message)

FAILURES = Counter("cloudly_event_failures_total", "Events whose handler raised.", ["source", "reader", "topic"])
DEAD = Counter("cloudly_dead_events_total", "Events given up and put aside.", ["source", "reader", "topic"])

BLOCK_MS = 2_000
BATCH = 20
TAKE_OVER_MS = 30_000
"""After how long an event that another replica has taken up and not finished is taken over."""
ATTEMPTS = 10
"""Failures after which an event is put aside in `dead_events`, so that it cannot hold up the others for ever."""
DELIVERIES = 20
"""Take-overs after which an event is put aside that kills whoever handles it."""
KEPT_SECONDS = 7 * 86_400
_KIND = "event"


@dataclass(frozen=True)
class Event:
    """An event as it was published."""

    id: str
    topic: str
    body: bytes = field(repr=False)

    def payload(self, message: type[M]) -> M:
        """What it tells."""
        parsed = message()
        parsed.ParseFromString(self.body)
        return parsed


Entry = tuple[bytes, dict[bytes, bytes]]
Handler = Callable[[Event, Session], Awaitable[None]]


class SeenDocument(Document):
    """An event that has taken effect; the id is `<event>@<reader>`, the scope its source."""

    seen_time: datetime = Field(default_factory=now)


class DeadDocument(Document):
    """An event that was given up; the id is `<event>@<reader>`, the scope its source."""

    topic: str
    body: bytes
    error: str


@dataclass
class Failure:
    """What is known of an event that could not be handled so far."""

    entry: Entry
    count: int
    """Failures that are its own fault."""
    tries: int
    next_time: float


class EventReader:
    """Reads the events of one service for one reader, on any number of replicas.

    Handlers get the event and the session of the transaction in which it takes effect, and do their writes in it. They
    may be run again, so whatever else they do has to bear repetition. Events come in no particular order.

    With a journal, what an event changes here is in the audit log as done by the service that told of it.
    """

    def __init__(
        self,
        database: Database,
        redis: Redis,
        *,
        source: str,
        group: str,
        handlers: Mapping[str, Handler],
        journal: Journal | None = None,
    ) -> None:
        self._journal = journal
        self._database = database
        self._redis = redis
        self._source = source
        self._group = group
        self._handlers = handlers
        self._stream = stream_key(source)
        self._consumer = f"{socket.gethostname()}-{os.getpid()}"
        self._failures: dict[bytes, Failure] = {}
        self._seen = Collection(
            database,
            "seen_events",
            SeenDocument,
            kind=_KIND,
            indexes=[Index("seen_time", expire_after_seconds=KEPT_SECONDS)],
        )
        self._dead = Collection(database, "dead_events", DeadDocument, kind="dead event")

    async def run(self) -> None:
        """Read for ever."""
        await self._seen.ensure()
        await self._dead.ensure()
        await self._make_group()
        next_look = 0.0
        while True:
            try:
                if time.monotonic() >= next_look:
                    await self._take_over()
                    next_look = time.monotonic() + TAKE_OVER_MS / 3_000
                answer: Any = await self._redis.xreadgroup(
                    self._group, self._consumer, {self._stream: ">"}, count=BATCH, block=self._block_ms()
                )
            except ResponseError as error:
                if "NOGROUP" not in str(error) and "UNBLOCKED" not in str(error):
                    raise
                # Redis was wiped; the outbox publishes again what was not acknowledged.
                await self._make_group()
                continue
            for _, entries in answer or ():
                for entry in entries:
                    await self._handle(entry)
            for failure in [f for f in self._failures.values() if f.next_time <= time.monotonic()]:
                await self._handle(failure.entry)

    def _block_ms(self) -> int:
        """Until the next failed event is due, but not long."""
        waits = [failure.next_time - time.monotonic() for failure in self._failures.values()]
        return max(1, min(BLOCK_MS, int(min(waits, default=BLOCK_MS) * 1000)))

    async def _make_group(self) -> None:
        try:
            await self._redis.xgroup_create(self._stream, self._group, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise

    async def _take_over(self) -> None:
        """Go on with what a replica took up and did not finish."""
        answer: Any = await self._redis.xautoclaim(
            self._stream, self._group, self._consumer, min_idle_time=TAKE_OVER_MS, count=BATCH
        )
        for entry in answer[1]:
            # Redis 6 names entries that were trimmed meanwhile, without fields.
            if entry[0] is None or not entry[1] or entry[0] in self._failures:
                continue
            taken: Any = await self._redis.xpending_range(self._stream, self._group, entry[0], entry[0], 1)
            if taken and taken[0]["times_delivered"] > DELIVERIES:
                await self._put_aside(entry[0], _event(entry[1]), "those who took it up did not live to finish it")
            else:
                await self._handle(entry)

    async def _handle(self, entry: Entry) -> None:
        entry_id, fields = entry
        event = _event(fields)
        handler = self._handlers.get(event.topic)
        if handler is None or self._group not in fields.get(b"readers", self._group.encode()).decode().split(","):
            await self._redis.xack(self._stream, self._group, entry_id)
            return
        try:
            await self._take_effect(event, handler)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one event, the others go on
            await self._failed(entry, event, error)
            return
        await self._done(entry_id, event)

    async def _take_effect(self, event: Event, handler: Handler) -> None:
        async def work(session: Session) -> None:
            await self._seen.insert(SeenDocument(id=self._own(event), scope=self._source), session=session)
            await handler(event, session)

        if await self._seen.find(self._own(event)) is not None:
            return
        crashpoint("events.before_effect")
        try:
            async with self._audited(event):
                await self._database.transaction(work)
        except AlreadyExists as error:
            # Another replica was faster; an AlreadyExists of the handler's own is its failure.
            if await self._seen.find(self._own(event)) is None:
                raise error from None
        crashpoint("events.after_effect")

    def _audited(self, event: Event) -> AbstractAsyncContextManager[Any]:
        if self._journal is None:
            return nullcontext()
        entry = audit_pb2.AuditEntry(
            method=f"event.{event.topic}",
            actor=audit_pb2.AuditActor(id=self._source, name=self._source, type="service"),
            resource=audit_pb2.AuditResource(kind=_KIND, id=event.id),
        )
        return audited(self._journal, entry, if_it_writes=True, apart_from=frozenset({_KIND}))

    def _own(self, event: Event) -> str:
        """The event as this reader's own: a service may have several readers."""
        return f"{event.id}@{self._group}"

    async def _failed(self, entry: Entry, event: Event, error: Exception) -> None:
        FAILURES.labels(self._source, self._group, event.topic).inc()
        known = self._failures.get(entry[0])
        # A part that is away is no fault of the event.
        passing = isinstance(
            error, Unavailable | DeadlineExceeded | Conflict | OSError | ConnectionFailure | RedisError
        )
        count = (known.count if known else 0) + (0 if passing else 1)
        tries = (known.tries if known else 0) + 1
        log.warning("event.failed", topic=event.topic, id=event.id, count=count, exc_info=error)
        if count >= ATTEMPTS:
            await self._put_aside(entry[0], event, repr(error))
            return
        pause = min(0.2 * 2 ** min(tries, 10), 30.0) * random.uniform(0.8, 1.2)
        self._failures[entry[0]] = Failure(entry, count, tries, time.monotonic() + pause)

    async def _put_aside(self, entry_id: bytes, event: Event, error: str) -> None:
        dead = DeadDocument(id=self._own(event), scope=self._source, topic=event.topic, body=event.body, error=error)
        try:
            await self._dead.insert(dead)
        except AlreadyExists:
            log.info("event.put_aside_before", id=event.id)
        DEAD.labels(self._source, self._group, event.topic).inc()
        log.error("event.put_aside", topic=event.topic, id=event.id, error=error)
        await self._done(entry_id, event)

    async def _done(self, entry_id: bytes, event: Event) -> None:
        async with self._redis.pipeline(transaction=True) as pipeline:
            pipeline.zadd(acked_key(self._source, self._group), {event.id: time.time()})
            pipeline.xack(self._stream, self._group, entry_id)
            await pipeline.execute()
        self._failures.pop(entry_id, None)


def _event(fields: Mapping[bytes, bytes]) -> Event:
    """What stands in the stream; what somebody else put there is an event of no topic, which nobody handles."""
    return Event(fields.get(b"id", b"").decode(), fields.get(b"topic", b"").decode(), fields.get(b"body", b""))
