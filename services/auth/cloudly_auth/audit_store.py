"""The collections of the audit log.

audit_entries      the chain                      scope the day it was appended   the id is the sequence, padded
audit_marks        its head and its anchor        scope "-"                       ids `head` and `anchor`
audit_checkpoints  signed places in the chain     scope the day                   the id is the sequence, padded
audit_keys         public keys of checkpoints     scope "-"                       the id is the kid
"""

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from cloudly_kit.crypto import Sealed
from cloudly_kit.sealed_fields import SealedFor
from cloudly_kit.store import Choice, Collection, Database, Document, Index
from cloudly_kit.store import Session as Transaction
from cloudly_kit.store.documents import decode, encode
from pydantic import BaseModel

GENESIS = "0" * 64
"""What the first entry has as the hash of the entry before."""
HEAD, ANCHOR = "head", "anchor"
AUDIT_KEY = SealedFor("audit-key:{id}")
_RESULTS = {"DONE": "done", "DENIED": "denied", "FAILED": "failed", "UNKNOWN": "unknown"}


class Actor(BaseModel):
    """See AuditActor in audit.proto; so are the others here."""

    id: str = ""
    name: str = ""
    type: str = ""
    roles: list[str] = []
    cluster_id: str = ""
    session_id: str = ""
    via: str = ""


class Resource(BaseModel):
    """What an entry is about."""

    kind: str = ""
    id: str = ""
    name: str = ""


class Change(BaseModel):
    """A document that was written."""

    resource: Resource
    etag_before: str = ""
    etag_after: str = ""


class Entry(Document):
    """One entry of the chain."""

    sequence: int
    previous_hash: str
    hash: str = ""
    event_id: str
    time: datetime
    actor: Actor = Actor()
    service: str = ""
    method: str = ""
    resource: Resource = Resource()
    changes: list[Change] = []
    changes_left_off: int = 0
    remote_address: str = ""
    user_agent: str = ""
    result: str = "unknown"
    reason: str = ""
    request_id: str = ""
    took_ms: int = 0
    request: str = ""
    count: int = 1

    def line(self) -> bytes:
        """The canonical JSON: all that is hashed, keys sorted, no spaces, times in RFC 3339 with milliseconds."""
        fields = self.model_dump(include=_HASHED)
        fields["day"] = self.scope
        fields["time"] = self.time.astimezone(UTC).isoformat(timespec="milliseconds")
        return orjson.dumps(fields, option=orjson.OPT_SORT_KEYS)

    def digest(self) -> str:
        """SHA-256 of the line."""
        return hashlib.sha256(self.line()).hexdigest()


_HASHED = set(Entry.model_fields) - set(Document.model_fields) - {"hash"}


class Mark(Document):
    """A signed place in the chain: the head, or the anchor, which is the last entry that was dropped."""

    sequence: int
    hash: str
    day: str
    kid: str = ""
    signature: str = ""


class CheckpointKey(Document):
    """A public key that signs marks; `sealed` holds it too, so that only who has the master key can add one."""

    x: str
    sealed: Annotated[Sealed, AUDIT_KEY]


class AuditStore:
    """The collections."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.entries: Collection[Entry] = Collection(
            database,
            "audit_entries",
            Entry,
            kind="audit entry",
            indexes=(Index("event_id", unique=True), Index("sequence", unique=True)),
            orderable=["sequence"],
            filterable={
                **{
                    name: name
                    for name in (
                        "actor.id", "actor.name", "actor.type", "resource.kind", "resource.id", "resource.name",
                        "method", "service", "reason", "request_id", "remote_address", "sequence", "time",
                    )
                },
                "result": Choice("result", _RESULTS),
            },
        )  # fmt: skip
        self.marks: Collection[Mark] = Collection(database, "audit_marks", Mark, kind="audit mark")
        self.checkpoints: Collection[Mark] = Collection(
            database, "audit_checkpoints", Mark, kind="audit checkpoint", orderable=["sequence"]
        )
        self.keys: Collection[CheckpointKey] = Collection(database, "audit_keys", CheckpointKey, kind="audit key")

    async def ensure(self) -> None:
        """Make the collections and their indexes."""
        await asyncio.gather(self.entries.ensure(), self.marks.ensure(), self.checkpoints.ensure(), self.keys.ensure())

    async def known(self, event_ids: Sequence[str], transaction: Transaction) -> set[str]:
        """Those of these events that are in the chain."""
        cursor = self.database.raw("audit_entries").find(
            {"event_id": {"$in": list(event_ids)}}, {"event_id": 1}, session=transaction.raw
        )
        return {raw["event_id"] async for raw in cursor}

    async def append(self, entries: Sequence[Entry], transaction: Transaction) -> None:
        """Store the next entries of the chain."""
        rows = [encode(entry, 1) for entry in entries]
        await self.database.raw("audit_entries").insert_many(rows, session=transaction.raw)

    async def walk(self, day: str, after: int, limit: int) -> list[Entry]:
        """The entries of a day in the order of the chain, whatever stands there."""
        query: dict[str, Any] = {"scope": day, "live": True, "sequence": {"$gt": after}}
        cursor = self.database.raw("audit_entries").find(query).sort([("sequence", 1), ("_id", 1)]).limit(limit)
        return [decode(raw, Entry) async for raw in cursor]

    async def drop_day(self, day: str) -> None:
        """Remove a day's entries and checkpoints; only behind the anchor."""
        for name in ("audit_entries", "audit_checkpoints"):
            await self.database.raw(name).delete_many({"scope": day})


def padded(sequence: int) -> str:
    """A sequence as an id, in the order of numbers."""
    return f"{sequence:020d}"
