"""Facts that must not be lost: written with what they tell of, published to Redis, kept until every reader has them.

    row in `_outbox` (the writer's transaction) -> Redis Stream `cloudly.event.<service>` -> readers' groups
    -> each reader adds the event's id to `cloudly.acked.<service>.<reader>` -> row removed

The process that wrote a row publishes it at once; a sweep publishes what a process that died left behind, and again
what Redis has forgotten. Readers de-duplicate, so any number of replicas may relay.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from google.protobuf.message import Message
from redis.asyncio import Redis

from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.ids import new_id
from cloudly_kit.store import Database, Session
from cloudly_kit.store.documents import now

log = structlog.get_logger()

POLL_SECONDS = 2.0
"""How often the rows are swept; also the age at which another process' unpublished row is nobody's but ours."""
REPUBLISH_SECONDS = 30.0
"""After how long without all acknowledgements a row is published again; then at twice its age, and so on."""
ACKED_SECONDS = 3_600
SENT_SECONDS = 7 * 86_400
STREAM_LENGTH = 100_000
BATCH = 200


def stream_key(service: str) -> str:
    """The Redis Stream with a service's events."""
    return f"cloudly.event.{service}"


def acked_key(service: str, reader: str) -> str:
    """The sorted set of events of `service` that `reader` has taken in, by time."""
    return f"cloudly.acked.{service}.{reader}"


def sent_key(service: str) -> str:
    """The sorted set of events that are in the stream, by the time they were last published."""
    return f"cloudly.sent.{service}"


@dataclass(frozen=True)
class Row:
    """An event that not all of its readers have."""

    id: str
    topic: str
    body: bytes
    readers: tuple[str, ...]
    age: float = 0.0


class Outbox:
    """The outbox of one service. `readers` names, by topic, the services that have to get it."""

    def __init__(
        self,
        database: Database,
        redis: Redis,
        service: str,
        readers: Mapping[str, Sequence[str]],
        *,
        collection: str = "_outbox",
        ready: Mapping[str, Any] | None = None,
    ) -> None:
        """`ready` is what a row has to be to be published, where others write rows in other ways (audit/journal.py)."""
        self._rows = database.raw(collection)
        self._ready = dict(ready or {})
        self._redis = redis
        self._service = service
        self._readers = readers
        self._wake = asyncio.Event()
        # What does not fit is left to the sweep.
        self._committed: deque[Row] = deque(maxlen=1_000)

    async def put(self, topic: str, message: Message, *, session: Session) -> str:
        """Write an event in the transaction of what it tells; it is published once that is committed. Its id.

        Raises:
            KeyError: the topic is none of those that were declared.
        """
        row = Row(new_id(), topic, message.SerializeToString(), tuple(self._readers[topic]))
        stored = {
            "_id": row.id,
            "etag": row.id,
            "topic": topic,
            "body": row.body,
            "readers": list(row.readers),
            "create_time": now(),
        }
        await self._rows.insert_one(stored, session=session.raw)
        session.wrote(self._rows, row.id, row.id)

        def committed() -> None:
            crashpoint("outbox.after_commit")
            self._committed.append(row)
            self.poke()

        session.after_commit(committed)
        return row.id

    def publish(self, row: Row) -> None:
        """Have a row published that was stored in another way than by `put`."""
        self._committed.append(row)
        self.poke()

    def poke(self) -> None:
        """Have the relay look now."""
        self._wake.set()

    async def relay(self) -> None:
        """Publish and tidy up, for ever."""
        next_sweep = 0.0
        while True:
            self._wake.clear()
            await self._publish()
            started = time.monotonic()
            if started >= next_sweep:
                await self.sweep()
                # Many rows (a reader that is away for hours) must not keep the database busy.
                took = time.monotonic() - started
                next_sweep = time.monotonic() + min(max(POLL_SECONDS, 20 * took), 60.0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), max(0.0, next_sweep - time.monotonic()))

    async def _publish(self) -> None:
        """Publish what this process has committed."""
        while self._committed:
            # Taken off only afterwards: when Redis is away it is tried again.
            batch = list(self._committed)[:BATCH]
            await self._send(batch)
            for row in batch:
                with contextlib.suppress(ValueError):
                    self._committed.remove(row)

    async def sweep(self) -> None:
        """Look once at all rows: publish those that the stream does not have, remove those that all readers have."""
        await self._forget_old()
        batch: list[Row] = []
        async for raw in self._rows.find(self._ready, batch_size=BATCH):
            age = (now() - raw["create_time"]).total_seconds()
            batch.append(Row(raw["_id"], raw["topic"], raw["body"], tuple(raw["readers"]), age))
            if len(batch) == BATCH:
                await self._tend(batch)
                batch = []
        if batch:
            await self._tend(batch)

    async def _tend(self, rows: Sequence[Row]) -> None:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for row in rows:
                pipeline.zscore(sent_key(self._service), row.id)
                for reader in row.readers:
                    pipeline.zscore(acked_key(self._service, reader), row.id)
            answers = iter(await pipeline.execute())
        due: list[Row] = []
        done: list[Row] = []
        for row in rows:
            sent: float | None = next(answers)
            missing = tuple(reader for reader in row.readers if next(answers) is None)
            waited = None if sent is None else time.time() - sent
            if not missing and (row.readers or waited is not None):
                done.append(row)
                continue
            if len(missing) < len(row.readers):
                # Kept in the row, so that a wiped Redis does not have it told again to those who know.
                await self._rows.update_one({"_id": row.id}, {"$set": {"readers": list(missing)}})
            if row.age > POLL_SECONDS if waited is None else waited > max(REPUBLISH_SECONDS, row.age / 2):
                due.append(Row(row.id, row.topic, row.body, missing))
        await self._send(due)
        await self._remove(done)

    async def _send(self, rows: Sequence[Row]) -> None:
        if not rows:
            return
        async with self._redis.pipeline(transaction=True) as pipeline:
            for row in rows:
                fields: dict[Any, Any] = {
                    "id": row.id,
                    "topic": row.topic,
                    "body": row.body,
                    "readers": ",".join(row.readers),
                }
                pipeline.xadd(stream_key(self._service), fields, maxlen=STREAM_LENGTH, approximate=True)
                pipeline.zadd(sent_key(self._service), {row.id: time.time()})
            await pipeline.execute()
        for row in rows:
            log.debug("outbox.published", topic=row.topic, id=row.id)

    async def _remove(self, rows: Sequence[Row]) -> None:
        if not rows:
            return
        await self._rows.delete_many({"_id": {"$in": [row.id for row in rows]}})
        async with self._redis.pipeline(transaction=False) as pipeline:
            for row in rows:
                pipeline.zrem(sent_key(self._service), row.id)
                for reader in row.readers:
                    pipeline.zrem(acked_key(self._service, reader), row.id)
            await pipeline.execute()

    async def _forget_old(self) -> None:
        """Drop what readers acknowledged a second time after the row had gone."""
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.zremrangebyscore(sent_key(self._service), 0, time.time() - SENT_SECONDS)
            for reader in sorted({reader for readers in self._readers.values() for reader in readers}):
                pipeline.zremrangebyscore(acked_key(self._service, reader), 0, time.time() - ACKED_SECONDS)
            await pipeline.execute()
