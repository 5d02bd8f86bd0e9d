"""Facts that must not be lost: written with what they tell of, published to Redis, kept until every reader has them.

    row in `_outbox` (the writer's transaction) -> Redis Stream `cloudly.event.<service>` -> readers' groups
    -> each reader adds the event's id to `cloudly.acked.<service>.<reader>` -> row removed

A row that nobody has acknowledged for a while is published again, so a wiped Redis heals. Readers de-duplicate, so two
replicas may relay the same row.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from google.protobuf.message import Message
from redis.asyncio import Redis

from cloudly_kit.ids import new_id
from cloudly_kit.store import Database, Session
from cloudly_kit.store.documents import now

log = structlog.get_logger()

POLL_SECONDS = 2.0
REPUBLISH_SECONDS = 10.0
"""After how long without an acknowledgement a row is published again."""
STREAM_LENGTH = 100_000
BATCH = 500


def stream_key(service: str) -> str:
    """The Redis Stream with a service's events."""
    return f"cloudly.event.{service}"


def acked_key(service: str, reader: str) -> str:
    """The Redis set of events of `service` that `reader` has taken in and whose rows may go."""
    return f"cloudly.acked.{service}.{reader}"


class Outbox:
    """The outbox of one service. `readers` names, by topic, the services that have to get it."""

    def __init__(self, database: Database, redis: Redis, service: str, readers: Mapping[str, Sequence[str]]) -> None:
        self._database = database
        self._redis = redis
        self._service = service
        self._readers = readers
        self._wake = asyncio.Event()
        self._published: dict[str, float] = {}
        self._own: set[str] = set()

    async def put(self, topic: str, message: Message, *, session: Session) -> str:
        """Write an event in the transaction of what it tells; it is published once that is committed. Its id."""
        event_id = new_id()
        row = {
            "_id": event_id,
            "topic": topic,
            "body": message.SerializeToString(),
            "create_time": now(),
            "readers": list(self._readers[topic]),
        }
        await self._database.raw("_outbox").insert_one(row, session=session.raw)

        def committed() -> None:
            self._own.add(event_id)
            self.poke()

        session.after_commit(committed)
        return event_id

    def poke(self) -> None:
        """Have the relay look now."""
        self._wake.set()

    async def relay(self) -> None:
        """Publish and tidy up, for ever."""
        while True:
            self._wake.clear()
            waiting = await self._publish()
            # While rows wait for their readers, look often enough that they do not pile up.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), POLL_SECONDS if waiting else POLL_SECONDS * 2)

    async def _publish(self) -> int:
        rows = await self._database.raw("_outbox").find({}).sort([("create_time", 1), ("_id", 1)]).to_list(BATCH)
        rows = await self._without_acknowledged(rows)
        for row in rows:
            if self._is_due(row):
                await self._redis.xadd(
                    stream_key(self._service),
                    {"id": row["_id"], "topic": row["topic"], "body": row["body"]},
                    maxlen=STREAM_LENGTH,
                    approximate=True,
                )
                self._published[row["_id"]] = time.monotonic()
                log.debug("outbox.published", topic=row["topic"], id=row["_id"])
        known = {row["_id"] for row in rows}
        self._published = {row: at for row, at in self._published.items() if row in known}
        self._own &= known
        return len(rows)

    def _is_due(self, row: Mapping[str, Any]) -> bool:
        last = self._published.get(row["_id"])
        if last is not None:
            return time.monotonic() - last > REPUBLISH_SECONDS
        # Another replica's row is its business, until it has obviously not done it.
        age = (now() - row["create_time"]).total_seconds()
        return row["_id"] in self._own or age > POLL_SECONDS

    async def _without_acknowledged(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        left = []
        for row in rows:
            missing = [
                reader
                for reader in row["readers"]
                if not await _call(self._redis.sismember(acked_key(self._service, reader), row["_id"]))
            ]
            if missing:
                left.append(row)
                continue
            await self._database.raw("_outbox").delete_one({"_id": row["_id"]})
            for reader in row["readers"]:
                await _call(self._redis.srem(acked_key(self._service, reader), row["_id"]))
        return left


async def _call(answer: Any) -> Any:
    # redis-py's types cover its synchronous twin too: Awaitable[T] | T.
    return await answer
