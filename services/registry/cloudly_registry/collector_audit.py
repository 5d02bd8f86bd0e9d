"""What the collector takes, in the audit log, beside the entry of the run itself: by image, with names and numbers."""

from collections import Counter
from dataclasses import dataclass

import orjson
from cloudly.auth.v1 import audit_pb2 as pb
from cloudly_kit.audit.entries import cut
from cloudly_kit.audit.journal import Journal
from cloudly_kit.ids import new_id
from cloudly_kit.store import now

METHOD = "registry.CollectGarbage"
NAMED = 20
"""Things that one entry names; more of them are more entries, so that each is named somewhere."""
_BYTES_ALONE = frozenset({"link", "blob"})
"""What is told by number: nobody named it, and the manifests that needed it are named."""


@dataclass(frozen=True)
class Removal:
    """One thing that went, or would go: a tag, a manifest, a link of a blob to its repository, a blob, or something from
    quarantine.
    """

    what: str
    image_id: str
    repository: str
    reference: str
    why: str
    freed: int = 0


class Removals:
    """What went and is not told yet. A run that is killed leaves no more than that untold."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._first: Removal | None = None
        self._named: list[dict[str, str]] = []
        self._counts: Counter[str] = Counter()
        self._freed = 0

    async def add(self, removal: Removal) -> None:
        """Something went."""
        if self._first is not None and self._first.image_id != removal.image_id:
            await self.tell()
        self._first = self._first or removal
        self._counts[removal.what] += 1
        self._freed += removal.freed
        if removal.what not in _BYTES_ALONE:
            named = {"kind": removal.what, "reference": cut(removal.reference), "why": cut(removal.why)}
            self._named.append(named)
        if len(self._named) == NAMED:
            await self.tell()

    async def tell(self) -> None:
        """Write the entry of what went."""
        if self._first is None:
            return
        entry = pb.AuditEntry(
            id=new_id(),
            service=self._journal.service,
            method=METHOD,
            actor=pb.AuditActor(id=self._journal.service, name=self._journal.service, type="service"),
            result=pb.AUDIT_RESULT_DONE,
            request=orjson.dumps({"counts": self._counts, "bytes": self._freed, "removed": self._named}).decode(),
        )
        if self._first.image_id:
            entry.resource.CopyFrom(
                pb.AuditResource(kind="image", id=self._first.image_id, name=self._first.repository)
            )
        entry.time.FromDatetime(now())
        self._first, self._named, self._counts, self._freed = None, [], Counter(), 0
        await self._journal.record(entry)
