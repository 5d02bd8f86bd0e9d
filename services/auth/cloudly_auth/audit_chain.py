"""The one who appends: takes facts from the stream in batches, chains them, and moves the head, all in one transaction.

A lease keeps a second one idle. It guards effort, not truth: two who append at once meet at the head's etag, and one
begins again and finds its facts already there.
"""

import os
import socket
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import structlog
from cloudly.auth.v1 import audit_pb2 as pb
from cloudly_kit.audit.journal import READER, SOURCE, TOPIC
from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.errors import AlreadyExists
from cloudly_kit.ids import new_id
from cloudly_kit.leases import Lease, LeaseLost
from cloudly_kit.outbox import acked_key, stream_key
from cloudly_kit.store import Session as Transaction
from cloudly_kit.store import now
from google.protobuf.message import DecodeError
from prometheus_client import Counter, Gauge
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from cloudly_auth.audit_marks import Marks
from cloudly_auth.audit_store import ANCHOR, GENESIS, HEAD, Actor, AuditStore, Change, Entry, Mark, Resource, padded

log = structlog.get_logger()

BATCH = 200
BLOCK_MS = 2_000
LEASE_SECONDS = 6.0
CHECKPOINT_EVERY = 500
WITNESS_KEY = "cloudly.audit.head"
"""The head once more, in Redis: who cuts the end off in the database alone is found out."""
_STREAM = stream_key(SOURCE)

APPENDED = Counter("cloudly_audit_entries_total", "Audit entries appended to the chain.")
BACKWARDS = Counter("cloudly_audit_head_went_back_total", "Times that the chain's head was behind what was appended.")
SEQUENCE = Gauge("cloudly_audit_sequence", "The sequence of the chain's head.")


class Chain:
    """Appends to the chain."""

    def __init__(self, store: AuditStore, marks: Marks, redis: Redis) -> None:
        self._store = store
        self._marks = marks
        self._redis = redis
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{new_id()}"

    async def open(self) -> None:
        """Make the beginning of the chain where there is none."""
        today = _today()
        for name in (ANCHOR, HEAD):
            if await self._store.marks.find(name) is None:
                mark = await self._marks.signed(Mark(id=name, sequence=0, hash=GENESIS, day=today))
                try:
                    await self._store.marks.insert(mark)
                except AlreadyExists:
                    log.info("audit.begun_elsewhere")

    async def run(self) -> None:
        """Append while this process holds the lease, for ever."""
        lease = Lease(self._redis, "cloudly.lease.audit", self._owner, LEASE_SECONDS)
        while True:
            try:
                async with lease.held():
                    await self._read()
            except LeaseLost:
                log.warning("audit.lease_lost")

    async def _read(self) -> None:
        await self._look_back()
        await self._make_group()
        # Whoever had facts in hand is gone: the lease is ours.
        await self._take(await self._left_behind())
        while True:
            try:
                answer: Any = await self._redis.xreadgroup(
                    READER, self._owner, {_STREAM: ">"}, count=BATCH, block=BLOCK_MS
                )
            except ResponseError as error:
                if "NOGROUP" not in str(error) and "UNBLOCKED" not in str(error):
                    raise
                await self._make_group()
                continue
            for _, entries in answer or ():
                await self._take(entries)

    async def _left_behind(self) -> list[Any]:
        found: list[Any] = []
        start: Any = "0-0"
        while True:
            answer: Any = await self._redis.xautoclaim(
                _STREAM, READER, self._owner, min_idle_time=0, start_id=start, count=BATCH
            )
            found += [entry for entry in answer[1] if entry[0] is not None and entry[1]]
            start = answer[0]
            if start in (b"0-0", "0-0"):
                return found

    async def _take(self, entries: Sequence[tuple[bytes, Mapping[bytes, bytes]]]) -> None:
        for at in range(0, len(entries), BATCH):
            batch = entries[at : at + BATCH]
            facts = [fact for _, fields in batch if (fact := _fact(fields)) is not None]
            crashpoint("audit.chain.before_append")
            await self.append(facts)
            crashpoint("audit.chain.after_append")
            async with self._redis.pipeline(transaction=True) as pipeline:
                told = {fields.get(b"id", b"").decode(): time.time() for _, fields in batch}
                pipeline.zadd(acked_key(SOURCE, READER), told)
                pipeline.xack(_STREAM, READER, *(entry_id for entry_id, _ in batch))
                await pipeline.execute()

    async def append(self, facts: Sequence[pb.AuditEntry]) -> int:
        """Chain those of the facts that are not in the chain yet; answers how many."""
        unique = {fact.id: fact for fact in facts}

        async def work(transaction: Transaction) -> Mark | None:
            head = await self._store.marks.get(HEAD, session=transaction)
            known = await self._store.known(list(unique), transaction)
            fresh = [fact for fact in unique.values() if fact.id not in known]
            if not fresh:
                return None
            # The day never goes back, so that days stand in the order of the chain.
            day = max(_today(), head.day)
            entries = list(_chained(fresh, head.sequence, head.hash, day))
            last = entries[-1]
            moved = head.model_copy(update={"sequence": last.sequence, "hash": last.hash, "day": day})
            await self._store.append(entries, transaction)
            if head.sequence and (day != head.day or _crosses(head.sequence, last.sequence)):
                checkpoint = await self._marks.signed(
                    Mark(id=padded(head.sequence), scope=head.day, sequence=head.sequence, hash=head.hash, day=head.day)
                )
                await self._store.checkpoints.insert(checkpoint, session=transaction)
            return await self._store.marks.replace(await self._marks.signed(moved), session=transaction)

        before = await self._store.marks.get(HEAD)
        head = await self._store.database.transaction(work)
        if head is None:
            return 0
        APPENDED.inc(head.sequence - before.sequence)
        SEQUENCE.set(head.sequence)
        await self._witness(head)
        log.info("audit.appended", sequence=head.sequence, hash=head.hash)
        return head.sequence - before.sequence

    async def _look_back(self) -> None:
        """Whether the chain still ends where it ended; that it does not is itself an entry."""
        await self.open()
        head = await self._store.marks.get(HEAD)
        seen = await witness(self._redis)
        if seen is None or seen[0] < head.sequence or seen == (head.sequence, head.hash):
            return
        BACKWARDS.inc()
        log.error("audit.head_went_back", sequence=head.sequence, hash=head.hash, seen=seen[0], seen_hash=seen[1])
        fact = pb.AuditEntry(
            id=new_id(),
            service="auth",
            method="AuditService.HeadWentBack",
            actor=pb.AuditActor(name="auth", type="service"),
            result=pb.AUDIT_RESULT_FAILED,
            reason="HEAD_WENT_BACK",
            request=f'{{"expected":{seen[0]},"found":{head.sequence}}}',
        )
        fact.time.FromDatetime(now())
        await self.append([fact])

    async def _witness(self, head: Mark) -> None:
        try:
            await self._redis.set(WITNESS_KEY, f"{head.sequence} {head.hash}")
        except (RedisError, OSError) as error:
            log.warning("audit.no_witness", error=repr(error))

    async def _make_group(self) -> None:
        try:
            await self._redis.xgroup_create(_STREAM, READER, id="0", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise


async def witness(redis: Redis) -> tuple[int, str] | None:
    """The head that Redis remembers; None where it does not."""
    try:
        raw = await redis.get(WITNESS_KEY)
    except (RedisError, OSError) as error:
        log.warning("audit.no_witness", error=repr(error))
        return None
    if raw is None:
        return None
    sequence, _, digest = raw.decode().partition(" ")
    return (int(sequence), digest) if sequence.isdigit() else None


def _chained(facts: Sequence[pb.AuditEntry], sequence: int, previous: str, day: str) -> list[Entry]:
    entries = []
    for fact in facts:
        sequence += 1
        entry = _entry(fact, sequence, previous, day)
        entry = entry.model_copy(update={"hash": entry.digest()})
        previous = entry.hash
        entries.append(entry)
    return entries


def _entry(fact: pb.AuditEntry, sequence: int, previous: str, day: str) -> Entry:
    who, about = fact.actor, fact.resource
    return Entry(
        id=padded(sequence),
        scope=day,
        sequence=sequence,
        previous_hash=previous,
        event_id=fact.id,
        time=fact.time.ToDatetime(tzinfo=UTC).replace(microsecond=fact.time.nanos // 1_000_000 * 1_000),
        actor=Actor(
            id=who.id,
            name=who.name,
            type=who.type,
            roles=list(who.roles),
            cluster_id=who.cluster_id,
            session_id=who.session_id,
            via=who.via,
        ),
        service=fact.service,
        method=fact.method,
        resource=_resource(about),
        changes=[
            Change(resource=_resource(one.resource), etag_before=one.etag_before, etag_after=one.etag_after)
            for one in fact.changes
        ],
        changes_left_off=fact.changes_left_off,
        remote_address=fact.remote_address,
        user_agent=fact.user_agent,
        result=pb.AuditResult.Name(fact.result).removeprefix("AUDIT_RESULT_").lower(),
        reason=fact.reason,
        request_id=fact.request_id,
        took_ms=fact.took_ms,
        request=fact.request,
        count=fact.count or 1,
    )


def _resource(about: pb.AuditResource) -> Resource:
    return Resource(kind=about.kind, id=about.id, name=about.name)


def _fact(fields: Mapping[bytes, bytes]) -> pb.AuditEntry | None:
    """What stands in the stream; None for what nobody of ours put there."""
    if fields.get(b"topic") != TOPIC.encode():
        return None
    try:
        fact = pb.AuditEntry.FromString(fields.get(b"body", b""))
    except DecodeError:
        fact = pb.AuditEntry()
    if not fact.id or fact.id != fields.get(b"id", b"").decode():
        log.error("audit.not_a_fact", id=fields.get(b"id", b"").decode(errors="replace"))
        return None
    return fact


def _crosses(before: int, after: int) -> bool:
    return before // CHECKPOINT_EVERY != after // CHECKPOINT_EVERY


def _today() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d}"
