"""One audited piece of work from its beginning to its end: an RPC in the server's interceptor, or anything else."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from cloudly.auth.v1 import audit_pb2 as pb
from google.protobuf.message import Message

from cloudly_kit import contract
from cloudly_kit.audit import entries, notes
from cloudly_kit.audit.floods import ONE_BY_ONE, Kind
from cloudly_kit.audit.journal import Journal
from cloudly_kit.errors import DomainError
from cloudly_kit.identity import Caller
from cloudly_kit.ids import new_id
from cloudly_kit.store.documents import now

_WORK_SECONDS = 60.0


class AuditedCall:
    """A call of a method that the contract marks `audit`.

    What anybody may call (a login) is begun at its first write and not before: refusing it must stay cheap. All else is
    begun before its handler runs, since not every effect goes through the store.
    """

    def __init__(self, journal: Journal, method: contract.Method, request: Any) -> None:
        self._journal = journal
        self._method = method
        self._request = request if isinstance(request, Message) else method.request_class()
        self._started = time.perf_counter()
        self._begun = False
        self._ended = False
        self._lock = asyncio.Lock()
        self._notes = notes.Notes(self._begin)
        self.entry = pb.AuditEntry(id=new_id(), service=journal.service, method=entries.verb(method))
        self.entry.time.FromDatetime(now())

    async def begin(self, call: Caller) -> None:
        """The call was let in.

        Raises:
            Unavailable: its trace cannot be written.
        """
        self._who(call)
        self.entry.request = entries.shown(self._request)
        self._about(None)
        notes.take(self._notes)
        if not self._method.rules.access.public:
            await self._begin()

    async def done(self, response: Message | None) -> None:
        """It was done."""
        who = entries.identity_in(response)
        if who is not None and not self.entry.actor.id:
            self.entry.actor.CopyFrom(who)
        self.entry.result = pb.AUDIT_RESULT_DONE
        self._about(response)
        await self._end()

    async def failed(self, error: DomainError, call: Caller | None) -> None:
        """It was refused or went wrong, before or after it was begun."""
        self._who(call)
        entry = self.entry
        entry.result, entry.reason = entries.result_of(error), error.reason
        self._about(None)
        if not self._notes.changes and not _admitted(self._journal, entry):
            self._ended = True
            if self._begun:
                await self._journal.drop(entry)
            return
        if entry.result == pb.AUDIT_RESULT_DENIED:
            entry.request = ""
        await self._end()

    def left(self) -> None:
        """The call is over. If nothing told how it ended (it was cancelled), nobody knows."""
        notes.take(None)
        if self._begun and not self._ended:
            self._ended = True
            self.entry.result, self.entry.reason = pb.AUDIT_RESULT_UNKNOWN, "CANCELLED"
            self._about(None)
            self._journal.finish_later(self.entry)

    async def _begin(self) -> None:
        if self._begun or self._ended:
            return
        async with self._lock:
            if not self._begun:
                await self._journal.begin(self.entry, self._method.deadline_seconds)
                self._begun = True

    async def _end(self) -> None:
        self._ended = True
        self.entry.took_ms = int((time.perf_counter() - self._started) * 1000)
        await (self._journal.finish(self.entry) if self._begun else self._journal.record(self.entry))

    def _who(self, call: Caller | None) -> None:
        if call is not None:
            self.entry.actor.CopyFrom(entries.actor_of(call))
            self.entry.remote_address = entries.cut(call.remote_address)
            self.entry.user_agent = entries.cut(call.user_agent)
            self.entry.request_id = entries.cut(call.request_id)

    def _about(self, response: Message | None) -> None:
        self.entry.resource.CopyFrom(entries.resource_of(self._method, self._request, response, self._notes))
        del self.entry.changes[:]
        self.entry.changes.extend(entries.change(one) for one in self._notes.changes)
        self.entry.changes_left_off = self._notes.left_off


@asynccontextmanager
async def audited(
    journal: Journal,
    entry: pb.AuditEntry,
    *,
    seconds: float = _WORK_SECONDS,
    if_it_writes: bool = False,
    apart_from: frozenset[str] = frozenset(),
    one_by_one: int = 0,
) -> AsyncIterator[pb.AuditEntry]:
    """Work that comes in another way than by RPC: begun before the block, finished after it.

    What fails without having written anything is counted instead where it comes too often.

    Args:
        journal: Where it is told.
        entry: Names `method`, `actor`, `resource` and `remote_address`; the block may add to it.
        seconds: How long the work may take.
        if_it_writes: Begun at the first write of a document, and no entry at all without one.
        apart_from: Kinds of documents that the work keeps of itself.
        one_by_one: Of work that is done over and over, how many a minute are entries of their own; the rest is counted.
            0 for all.

    Raises:
        Unavailable: its trace cannot be written, so it was not done.
    """
    started = time.perf_counter()
    _identified(journal, entry)
    begun, lock = False, asyncio.Lock()

    async def begin() -> None:
        nonlocal begun
        async with lock:
            if not begun:
                await journal.begin(entry, seconds)
                begun = True

    if not if_it_writes:
        await begin()
    noted = notes.Notes(begin, apart_from)
    notes.take(noted)
    entry.result = pb.AUDIT_RESULT_UNKNOWN
    try:
        yield entry
        entry.result = pb.AUDIT_RESULT_DONE
    except Exception as error:
        entry.result = pb.AUDIT_RESULT_FAILED
        entry.reason = entry.reason or getattr(error, "reason", "") or type(error).__name__
        raise
    finally:
        notes.take(None)
        if begun:
            entry.changes.extend(entries.change(one) for one in noted.changes)
            entry.changes_left_off = noted.left_off
            entry.took_ms = int((time.perf_counter() - started) * 1000)
            await _finish(journal, entry, one_by_one)


async def _finish(journal: Journal, entry: pb.AuditEntry, one_by_one: int) -> None:
    if entry.result == pb.AUDIT_RESULT_UNKNOWN:
        journal.finish_later(entry)
    elif (entry.result == pb.AUDIT_RESULT_FAILED and not entry.changes and not _admitted(journal, entry)) or (
        entry.result == pb.AUDIT_RESULT_DONE and one_by_one and not _admitted(journal, entry, one_by_one)
    ):
        await journal.drop(entry)
    else:
        await journal.finish(entry)


async def denied(journal: Journal, entry: pb.AuditEntry, reason: str) -> None:
    """Work that comes in another way than by RPC and was not let in. Too many of one kind are counted."""
    entry.result, entry.reason = pb.AUDIT_RESULT_DENIED, reason
    if _admitted(journal, entry):
        _identified(journal, entry)
        await journal.record(entry)


def _identified(journal: Journal, entry: pb.AuditEntry) -> None:
    entry.id, entry.service = new_id(), journal.service
    entry.time.FromDatetime(now())


def _admitted(journal: Journal, entry: pb.AuditEntry, one_by_one: int = ONE_BY_ONE) -> bool:
    """Whether this one is written by itself; else it was counted."""
    actor, address = entry.actor, _host(entry.remote_address)
    done = entry.result == pb.AUDIT_RESULT_DONE
    about = entry.resource.id if done else ""
    kind = Kind(entry.method, actor.id, actor.name, address, entry.reason, entry.result, about)
    return journal.floods.admit(kind, one_by_one)


def _host(address: str) -> str:
    """An address without its port: `ipv4:10.0.0.1:50412` -> `ipv4:10.0.0.1`."""
    head, colon, tail = address.rpartition(":")
    return head if colon and tail.isdigit() and head.count(":") in (1, 0) else address
