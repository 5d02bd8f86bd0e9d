"""What a collection did, or would do: totals, and what, why and how many bytes for the first few hundred things."""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from cloudly_registry.collector_audit import Removal, Removals

Tell = Callable[[int, int, str], Awaitable[None]]
"""Told how far it is: done, of how many (0: not known), and of what."""

SHOWN = 300
"""An execution's result is one document: more entries are only counted."""


class CollectionReport:
    """Grows while the collector works."""

    def __init__(self, dry_run: bool, removals: Removals) -> None:
        self.dry_run = dry_run
        self._removals = removals
        self._entries: list[dict[str, Any]] = []
        self._counts: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()
        self._waiting_bytes = 0
        self._freed = 0

    async def add(self, gone: Removal) -> None:
        """One thing that went, or would go."""
        if not self.dry_run:
            await self._removals.add(gone)
        self._counts[gone.what] += 1
        self._freed += gone.freed
        if len(self._entries) < SHOWN:
            self._entries.append(
                {
                    "what": gone.what,
                    "repository": gone.repository,
                    "reference": gone.reference,
                    "why": gone.why,
                    "bytes": gone.freed,
                }
            )

    def wait(self, what: str, size: int) -> None:
        """One thing that is unused, but not for long enough."""
        self._waiting[what] += 1
        self._waiting_bytes += size

    @property
    def changes(self) -> int:
        """How many things went, or would go."""
        return sum(self._counts.values())

    @property
    def waiting(self) -> int:
        """How many things wait for the end of the grace."""
        return sum(self._waiting.values())

    def totals(self) -> dict[str, Any]:
        """The numbers alone."""
        return {
            "dryRun": self.dry_run,
            "tags": self._counts["tag"],
            "manifests": self._counts["manifest"],
            "links": self._counts["link"],
            "blobs": self._counts["blob"],
            "expired": sum(number for what, number in self._counts.items() if what.startswith("quarantined ")),
            "bytes": self._freed,
            "waiting": self.waiting,
            "waitingBytes": self._waiting_bytes,
        }

    def result(self) -> dict[str, Any]:
        """For the execution's record."""
        return {**self.totals(), "entries": self._entries, "entriesLeftOut": self.changes - len(self._entries)}
