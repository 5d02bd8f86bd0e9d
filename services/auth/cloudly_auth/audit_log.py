"""Reading the audit log: pages newest first, parts to export, verification, and dropping what is too old."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import structlog
from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.errors import InvalidArgument, InvalidPageToken, NotFound
from cloudly_kit.store import Page, PageRequest
from redis.asyncio import Redis

from cloudly_auth.audit_chain import witness
from cloudly_auth.audit_marks import Marks
from cloudly_auth.audit_store import ANCHOR, HEAD, AuditStore, Entry, Mark, padded

log = structlog.get_logger()

PART = 2_000
"""Entries that one call verifies."""
_WALK = 500


@dataclass(frozen=True)
class Break:
    """Where the chain is not what it was: `kind` is cut, edited, forked or rewritten."""

    kind: str
    sequence: int
    message: str


@dataclass
class Verified:
    """A part of the chain that was verified; `sequence` and `hash` are the last that is in order."""

    sequence: int
    hash: str
    entries: int = 0
    checkpoints: int = 0
    complete: bool = False
    broken: Break | None = None
    first_sequence: int = 0


class AuditLog:
    """The log as its readers see it."""

    def __init__(self, store: AuditStore, marks: Marks, redis: Redis) -> None:
        self._store = store
        self._marks = marks
        self._redis = redis

    async def page(self, request: PageRequest, start: datetime | None, end: datetime | None) -> Page[Entry]:
        """A page of the entries, newest first.

        Raises:
            InvalidArgument, InvalidPageToken: as Collection.page; or `end` is not after `start`.
        """
        if start and end and end <= start:
            raise InvalidArgument.of(("end_time", "must be after start_time"))
        # The token carries its newest day, so that pages stay the same list beyond midnight.
        newest, _, token = request.page_token.partition(".") if request.page_token else ("", "", "")
        anchor, head = await self._store.marks.get(ANCHOR), await self._store.marks.get(HEAD)
        newest = newest or head.day
        # An entry is appended soon after it began, but a service that was away sends its own later.
        oldest = max(anchor.day, f"{start.astimezone(UTC):%Y-%m-%d}") if start else anchor.day
        days = _days(oldest, newest)
        conditions = [request.filter] if request.filter.strip() else []
        if start:
            conditions.append(f"time >= {_rfc3339(start)}")
        if end:
            conditions.append(f"time < {_rfc3339(end)}")
        inner = PageRequest(
            page_size=request.page_size,
            page_token=token,
            filter=" AND ".join(conditions),
            order_by="sequence desc",
            caller=request.caller,
        )
        found = await self._store.entries.page(days, inner)
        return Page(found.items, f"{newest}.{found.next_page_token}" if found.next_page_token else "")

    async def get(self, event_id: str) -> Entry:
        """One entry. Raises NotFound."""
        found = await self._store.entries.find_one(event_id=event_id)
        if found is None:
            raise NotFound("audit entry", event_id)
        return found

    async def export(self, after: int) -> AsyncIterator[list[Entry]]:
        """The entries behind one, in the order of the chain, up to the end that it has at the beginning."""
        anchor, head = await self._store.marks.get(ANCHOR), await self._store.marks.get(HEAD)
        first, after = anchor.day, max(after, anchor.sequence)
        at = await self._store.entries.find(padded(after))
        if at is not None:
            first = at.scope
        for day in _days(first, head.day)[::-1]:
            while found := await self._store.walk(day, after, _WALK):
                yield found
                after = found[-1].sequence

    async def verify(self, after: int = 0, after_hash: str = "") -> Verified:
        """Verify a part of the chain, from its beginning or from where an earlier part ended."""
        anchor, head = await self._store.marks.find(ANCHOR), await self._store.marks.find(HEAD)
        if anchor is None or head is None:
            return Verified(
                after, after_hash, broken=Break("cut", after, "the head or the anchor of the chain is gone")
            )
        at = Verified(anchor.sequence, anchor.hash, first_sequence=anchor.sequence + 1)
        for mark in (anchor, head):
            if not await self._marks.genuine(mark):
                at.broken = Break("rewritten", mark.sequence, f"the signature of the {mark.id} is not auth's")
                return at
        day = anchor.day
        # What a client has verified may have been dropped meanwhile; then the anchor is where it goes on.
        if after > anchor.sequence:
            stored = await self._store.entries.find(padded(after))
            if stored is None:
                at.broken = Break("cut", after, f"entry {after} is missing, which was there")
                return at
            at.sequence, at.hash, day = after, after_hash or stored.hash, stored.scope
        await self._walk(at, day, head)
        if at.broken is None and at.complete:
            at.broken = await self._beyond(head)
        at.complete = at.complete and at.broken is None
        return at

    async def _walk(self, at: Verified, first: str, head: Mark) -> None:
        for day in _days(first, head.day)[::-1]:
            while True:
                # The last one again: another in its place would show.
                entries = await self._store.walk(day, at.sequence - 1, _WALK)
                for entry in entries:
                    if entry.id == padded(at.sequence) and entry.hash == at.hash:
                        continue
                    at.broken = _break(at, entry)
                    if at.broken is not None:
                        return
                    if entry.sequence > head.sequence:
                        break
                    at.sequence, at.hash = entry.sequence, entry.hash
                    at.entries += 1
                if at.sequence >= head.sequence or len(entries) < _WALK or at.entries >= PART:
                    break
            await self._checkpoints(at, day)
            if at.broken is not None or at.sequence >= head.sequence or at.entries >= PART:
                break
        if at.broken is not None or at.entries >= PART:
            return
        if at.sequence < head.sequence:
            missing = f"entries {at.sequence + 1} to {head.sequence} are missing"
            at.broken = Break("cut", at.sequence + 1, missing)
        elif at.hash != head.hash:
            at.broken = Break("rewritten", head.sequence, "the last entry is not the one whose hash was signed")
        at.complete = at.broken is None

    async def _checkpoints(self, at: Verified, day: str) -> None:
        for mark in await self._store.checkpoints.find_all(scope=day):
            if mark.sequence > at.sequence:
                continue
            at.checkpoints += 1
            entry = await self._store.entries.find(padded(mark.sequence))
            if not await self._marks.genuine(mark):
                at.broken = Break("rewritten", mark.sequence, "the signature of a checkpoint is not auth's")
            elif entry is not None and entry.hash != mark.hash:
                at.broken = Break("rewritten", mark.sequence, "the entry is not the one that a checkpoint signed")

    async def _beyond(self, head: Mark) -> Break | None:
        """Whether something remembers a later end than the chain has."""
        newer = await self._store.checkpoints.page([head.day], PageRequest(page_size=1, order_by="sequence desc"))
        if newer.items and newer.items[0].sequence > head.sequence:
            return Break("cut", head.sequence + 1, "a checkpoint of a later entry is there, the entry is not")
        seen = await witness(self._redis)
        now = await self._store.marks.get(HEAD)
        if seen is not None and seen[0] > now.sequence:
            return Break("cut", now.sequence + 1, f"the log went up to entry {seen[0]}")
        if seen is not None and seen[0] == now.sequence and seen[1] != now.hash:
            return Break("rewritten", now.sequence, "the last entry is not the one that was appended")
        return None

    async def drop_before(self, day: date) -> int:
        """Drop the whole days before this one, keeping the anchor; answers how many entries went."""
        anchor, head = await self._store.marks.get(ANCHOR), await self._store.marks.get(HEAD)
        first = min(f"{day:%Y-%m-%d}", head.day)
        dropped = 0
        for old in [one for one in _days(anchor.day, first)[::-1] if one < first]:
            last = await self._store.entries.page([old], PageRequest(page_size=1, order_by="sequence desc"))
            following = f"{date.fromisoformat(old) + timedelta(days=1):%Y-%m-%d}"
            update: dict[str, object] = {"day": following}
            if last.items and last.items[0].sequence > anchor.sequence:
                update |= {"sequence": last.items[0].sequence, "hash": last.items[0].hash}
                dropped += last.items[0].sequence - anchor.sequence
            # The anchor first: what is behind it and still there is not looked at, and is dropped by the next run.
            moved = await self._marks.signed(anchor.model_copy(update=update))
            anchor = await self._store.marks.replace(moved)
            crashpoint("audit.retention.after_anchor")
            await self._store.drop_day(old)
        # A run that died behind the anchor left its day behind.
        await self._store.drop_day(f"{date.fromisoformat(anchor.day) - timedelta(days=1):%Y-%m-%d}")
        if dropped:
            log.info("audit.dropped", entries=dropped, first=anchor.sequence + 1, day=anchor.day)
        return dropped


def _break(at: Verified, entry: Entry) -> Break | None:
    if entry.sequence > at.sequence + 1:
        return Break("cut", at.sequence + 1, f"entry {at.sequence + 1} is missing")
    if entry.sequence != at.sequence + 1 or entry.id != padded(entry.sequence):
        return Break("forked", entry.sequence, "two entries claim the same place")
    if entry.previous_hash != at.hash:
        return Break("forked", entry.sequence, "the entry does not continue the one before")
    if entry.digest() != entry.hash:
        return Break("edited", entry.sequence, "the entry is not what its hash says")
    return None


def _days(oldest: str, newest: str) -> list[str]:
    """All days from the newest to the oldest.

    Raises:
        InvalidPageToken: the newest is no day, as only a token made by hand has it.
    """
    try:
        first, last = date.fromisoformat(oldest), date.fromisoformat(newest)
    except ValueError as error:
        raise InvalidPageToken from error
    count = min((last - first).days, 4_000)
    return [f"{last - timedelta(days=back):%Y-%m-%d}" for back in range(count + 1)]


def _rfc3339(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
