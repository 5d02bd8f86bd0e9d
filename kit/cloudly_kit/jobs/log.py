"""The log of an execution: a bounded Redis stream while it runs, a document in Mongo once it has ended."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from pydantic import BaseModel
from redis.asyncio import Redis
from redis.exceptions import RedisError

from cloudly_kit.errors import AlreadyExists
from cloudly_kit.store import Collection, Database, Document, Index

MAX_LINES = 5_000
MAX_CHARACTERS = 2_000
"""Of one line; with MAX_LINES the kept log stays under Mongo's 16 MB of a document."""

LIVE_SECONDS = 7 * 86_400
"""How long a stream outlives its last line, should nobody live to keep it."""

AFTER_END_SECONDS = 3_600
"""How long a stream outlives the end, for watchers who are reading it."""

SEVERITIES = ("info", "warning", "error")

log = structlog.get_logger()


@dataclass(frozen=True)
class Line:
    """A log line; `cursor` is its place (the id of a Redis stream entry: `<milliseconds>-<count>`)."""

    cursor: str
    time: datetime
    severity: str
    text: str


class KeptLine(BaseModel):
    """A line as it is kept."""

    cursor: str
    severity: str
    text: str


class ExecutionLog(Document):
    """The kept log of an ended execution, under the execution's id."""

    lines: list[KeptLine] = []
    expire_time: datetime


class Logs:
    """The logs of one service's executions."""

    def __init__(self, database: Database, redis: Redis) -> None:
        self._redis = redis
        self.kept: Collection[ExecutionLog] = Collection(
            database,
            "execution_logs",
            ExecutionLog,
            kind="execution log",
            indexes=(Index("expire_time", expire_after_seconds=0),),
        )

    async def append(self, execution_id: str, text: str, severity: str = "info") -> None:
        """Add a line. It is a convenience, not a record: a Redis that is away loses it and the work goes on."""
        if severity not in SEVERITIES:
            raise ValueError(f"a log line is info, warning or error, not {severity!r}")
        entry: dict[Any, Any] = {"severity": severity, "text": text[:MAX_CHARACTERS]}
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.xadd(_key(execution_id), entry, maxlen=MAX_LINES, approximate=True)
                pipe.expire(_key(execution_id), LIVE_SECONDS)
                await pipe.execute()
        except (RedisError, OSError) as error:
            log.warning("execution.log_line_lost", execution=execution_id, error=repr(error))

    async def nudge(self, execution_id: str) -> None:
        """Wake whoever waits in `wait`: the record has changed. Lost, they look by themselves a moment later."""
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.xadd(_changes_key(execution_id), {"changed": 1}, maxlen=1, approximate=False)
                pipe.expire(_changes_key(execution_id), LIVE_SECONDS)
                await pipe.execute()
        except (RedisError, OSError) as error:
            log.warning("execution.nudge_lost", execution=execution_id, error=repr(error))

    async def wait(self, execution_id: str, cursor: str, seen_change: str, seconds: float) -> str:
        """Until a line behind `cursor` or a change behind `seen_change` is there, or the time is over.

        Returns:
            The place of the newest change, to wait behind the next time.
        """
        behind: dict[Any, Any] = {_key(execution_id): cursor or "0", _changes_key(execution_id): seen_change or "0"}
        try:
            news = await self._redis.xread(behind, block=int(seconds * 1000))
        except (RedisError, OSError) as error:
            log.warning("execution.wait_without_redis", execution=execution_id, error=repr(error))
            await asyncio.sleep(seconds)
            return seen_change
        for key, entries in news:
            if _text(key) == _changes_key(execution_id) and entries:
                seen_change = _text(entries[-1][0])
        return seen_change

    async def read(self, execution_id: str, cursor: str = "") -> list[Line]:
        """The lines behind a cursor, from the living stream or, where that is gone, as kept."""
        try:
            entries = await self._redis.xrange(_key(execution_id), min=f"({cursor}" if cursor else "-")
        except (RedisError, OSError) as error:
            log.warning("execution.log_unreadable", execution=execution_id, error=repr(error))
            entries = []
        if entries:
            return [_line(_text(key), _text(fields[b"severity"]), _text(fields[b"text"])) for key, fields in entries]
        kept = await self.kept.find(execution_id)
        lines = kept.lines if kept else []
        return [_line(line.cursor, line.severity, line.text) for line in lines if _place(line.cursor) > _place(cursor)]

    async def keep(self, execution_id: str, expire_time: datetime) -> None:
        """Copy the stream to Mongo; done before the record tells the end, so that an end has its log.

        A Redis that is away, or was wiped, leaves fewer lines or none; the end must not fail for it.
        """
        try:
            entries = await self._redis.xrange(_key(execution_id))
        except (RedisError, OSError) as error:
            log.warning("execution.log_not_kept", execution=execution_id, error=repr(error))
            return
        if not entries:
            return
        lines = [
            KeptLine(cursor=_text(key), severity=_text(fields[b"severity"]), text=_text(fields[b"text"]))
            for key, fields in entries[-MAX_LINES:]
        ]
        if await self.kept.find(execution_id) is None:
            try:
                await self.kept.insert(ExecutionLog(id=execution_id, lines=lines, expire_time=expire_time))
            except AlreadyExists:
                pass
            else:
                return
        await self.kept.change(execution_id, lambda kept: kept.model_copy(update={"lines": lines}))

    async def let_go(self, execution_id: str) -> None:
        """The execution has ended: its streams need not live much longer."""
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.expire(_key(execution_id), AFTER_END_SECONDS)
                pipe.expire(_changes_key(execution_id), AFTER_END_SECONDS)
                await pipe.execute()
        except (RedisError, OSError) as error:
            log.warning("execution.log_lives_on", execution=execution_id, error=repr(error))


def _key(execution_id: str) -> str:
    return f"cloudly.execution.{execution_id}.log"


def _changes_key(execution_id: str) -> str:
    return f"cloudly.execution.{execution_id}.changes"


def _text(raw: bytes | str) -> str:
    return raw.decode() if isinstance(raw, bytes) else raw


def _line(cursor: str, severity: str, text: str) -> Line:
    return Line(cursor, datetime.fromtimestamp(_place(cursor)[0] / 1000, UTC), severity, text)


def _place(cursor: str) -> tuple[int, int]:
    milliseconds, _, count = (cursor or "0-0").partition("-")
    return int(milliseconds), int(count or 0)
