"""What the audited call being handled has written, noted by the store; domain code knows nothing of it, save where only it
knows whom a refusal is about.
"""

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field

MOST_CHANGES = 10
"""Documents that an entry lists; of more it tells the number."""


@dataclass(frozen=True)
class Change:
    """A document that was written. `before` is empty for one that was made, else the etag it had."""

    kind: str
    id: str
    name: str
    before: str
    after: str


@dataclass
class Notes:
    """The notes of one call. `begin` writes the trace of the call, if that has not been done.

    Kinds in `apart_from` are not noted: what the work keeps of itself.
    """

    begin: Callable[[], Awaitable[None]]
    apart_from: frozenset[str] = frozenset()
    changes: list[Change] = field(default_factory=list)
    left_off: int = 0
    about: tuple[str, str, str] = ("", "", "")
    """Kind, id and name of what the call is about, where neither its request nor what it writes tells."""

    def add(self, change: Change) -> None:
        """Note a write; one document's writes are one change, from its first etag to its last."""
        if change.kind in self.apart_from:
            return
        for index, known in enumerate(self.changes):
            if (known.kind, known.id) == (change.kind, change.id):
                self.changes[index] = Change(known.kind, known.id, change.name, known.before, change.after)
                return
        if len(self.changes) < MOST_CHANGES:
            self.changes.append(change)
        else:
            self.left_off += 1


_notes: ContextVar[Notes | None] = ContextVar("cloudly_audit_notes", default=None)


def take(notes: Notes | None) -> None:
    """Have the writes of this task noted here from now on."""
    _notes.set(notes)


async def before_write(kind: str) -> None:
    """To be awaited before each write of a document of this kind: the trace of the call has to be there first.

    Raises:
        Unavailable: it could not be written.
    """
    notes = _notes.get()
    if notes is not None and kind not in notes.apart_from:
        await notes.begin()


def about(kind: str, id: str, name: str) -> None:
    """Note what the call is about, where its request does not say: whose second factor was answered wrongly, say."""
    notes = _notes.get()
    if notes is not None:
        notes.about = (kind, id, name)


def current() -> Notes | None:
    """Where to note what is written; None outside of an audited call."""
    return _notes.get()
