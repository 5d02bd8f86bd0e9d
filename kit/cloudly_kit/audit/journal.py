"""The journal of audited calls: a row in `_audit` that is begun before the work and finished after it.

    begun ──finish──> done ──outbox──> Redis Stream `cloudly.event.audit` ──> auth chains it ──> row removed
      └──its process died: past its time──> done, with the result unknown

A row's id is the entry's id; auth drops one that it has. Whatever dies when, an entry is chained once.
"""

import asyncio
import contextlib
from collections import deque
from datetime import timedelta
from typing import Any

import structlog
from cloudly.auth.v1 import audit_pb2 as pb
from prometheus_client import Counter
from pymongo.errors import DuplicateKeyError, PyMongoError
from redis.asyncio import Redis

from cloudly_kit.audit.floods import Floods, Kind
from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.errors import Unavailable
from cloudly_kit.ids import new_id
from cloudly_kit.outbox import Outbox, Row
from cloudly_kit.store import Database
from cloudly_kit.store.documents import now

log = structlog.get_logger()

SOURCE = "audit"
"""One stream for the facts of all services: `cloudly.event.audit`."""
TOPIC = "audit.entry"
READER = "auth"
LIFE_SECONDS = 120.0
"""A begun row this much older than its work may take is of a process that died."""
SWEEP_SECONDS = 5.0
_BEGUN, _DONE = "begun", "done"

LOST = Counter(
    "cloudly_audit_late_total", "Audited calls that ended after their entry was told as unknown.", ["service"]
)


class Journal:
    """The journal of one service; any number of processes write and sweep it."""

    def __init__(self, database: Database, redis: Redis, service: str) -> None:
        self.service = service
        self.floods = Floods()
        self._rows = database.raw("_audit")
        self._outbox = Outbox(database, redis, SOURCE, {TOPIC: (READER,)}, collection="_audit", ready={"state": _DONE})
        # Ends that could not be written: the database was away, or the call was cancelled.
        self._late: deque[pb.AuditEntry] = deque(maxlen=10_000)
        self._wake = asyncio.Event()

    async def begin(self, entry: pb.AuditEntry, seconds: float) -> None:
        """Write the trace of work that may take so long; done once it returns, the work may start.

        Raises:
            Unavailable: it could not be written, so the work must not be done.
        """
        due = now() + timedelta(seconds=seconds + LIFE_SECONDS)
        stored = {"_id": entry.id, "state": _BEGUN, "due": due, "body": entry.SerializeToString()}
        try:
            await self._rows.insert_one(stored)
        except PyMongoError as error:
            raise Unavailable("database", "the audit trail cannot be written, so nothing was done") from error
        crashpoint("audit.after_begin")

    async def finish(self, entry: pb.AuditEntry) -> None:
        """Write how begun work ended, now or as soon as the database is back."""
        crashpoint("audit.before_finish")
        try:
            await self._finish(entry)
        except PyMongoError as error:
            log.warning("audit.finished_late", entry=entry.id, error=repr(error))
            self.finish_later(entry)
        except asyncio.CancelledError:
            self.finish_later(entry)
            raise

    def finish_later(self, entry: pb.AuditEntry) -> None:
        """As `finish`, from where nothing can be awaited."""
        self._late.append(entry)
        self._wake.set()

    async def record(self, entry: pb.AuditEntry) -> None:
        """Write down what needed no beginning: a refusal, or what was done by something that is safe by itself."""
        entry.id = entry.id or new_id()
        try:
            await self._rows.insert_one(_row(entry))
        except PyMongoError as error:
            log.warning("audit.recorded_late", entry=entry.id, error=repr(error))
            self.finish_later(entry)
        else:
            self._send(entry)

    async def drop(self, entry: pb.AuditEntry) -> None:
        """Take back what was begun: nothing was written, and the refusal has been counted."""
        try:
            await self._rows.delete_one({"_id": entry.id, "state": _BEGUN})
        except PyMongoError:
            # The sweep would tell it as unknown; the refusal itself is the truth.
            self.finish_later(entry)

    async def run(self) -> None:
        """Publish, finish what is late, tell what was counted, and find what died; for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._outbox.relay(), name="audit-relay")
            while True:
                await self.tend()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), SWEEP_SECONDS)
                self._wake.clear()

    async def tend(self, *, all: bool = False) -> None:
        """One round of `run`; `all` counts the window that is not over too."""
        for _ in range(len(self._late)):
            await self._finish(self._late[0])
            self._late.popleft()
        for kind, count in self.floods.counted(all=all):
            await self.record(_counted(self.service, kind, count))
        async for raw in self._rows.find({"state": _BEGUN, "due": {"$lt": now()}}):
            entry = pb.AuditEntry.FromString(raw["body"])
            entry.result = pb.AUDIT_RESULT_UNKNOWN
            await self._finish(entry)
            log.warning("audit.outcome_unknown", entry=entry.id, method=entry.method)

    async def drain(self) -> None:
        """Before the process ends: what it has in hand."""
        await self.tend(all=True)

    async def _finish(self, entry: pb.AuditEntry) -> None:
        row = _row(entry)
        found = await self._rows.replace_one({"_id": entry.id, "state": _BEGUN}, row)
        if not found.matched_count:
            known = await self._rows.find_one({"_id": entry.id})
            if known is None and entry.result != pb.AUDIT_RESULT_UNKNOWN:
                # It was not begun, or another process has told it as unknown and auth has it: then auth drops this.
                with contextlib.suppress(DuplicateKeyError):
                    await self._rows.insert_one(row)
            elif known is not None and known["body"] != row["body"]:
                LOST.labels(self.service).inc()
                return
        self._send(entry)

    def _send(self, entry: pb.AuditEntry) -> None:
        self._outbox.publish(Row(entry.id, TOPIC, entry.SerializeToString(), (READER,)))


def _row(entry: pb.AuditEntry) -> dict[str, Any]:
    return {
        "_id": entry.id,
        "etag": entry.id,
        "state": _DONE,
        "topic": TOPIC,
        "body": entry.SerializeToString(),
        "readers": [READER],
        "create_time": now(),
    }


def _counted(service: str, kind: Kind, count: int) -> pb.AuditEntry:
    entry = pb.AuditEntry(
        id=new_id(),
        service=service,
        method=kind.method,
        actor=pb.AuditActor(id=kind.actor_id, name=kind.actor_name),
        remote_address=kind.address,
        resource=pb.AuditResource(id=kind.resource_id),
        result=kind.result,
        reason=kind.reason,
        count=count,
    )
    entry.time.FromDatetime(now())
    return entry
