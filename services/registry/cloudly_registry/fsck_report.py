"""What a check of the registry found: totals, and the first few hundred faults with whom they hit."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

SHOWN = 300
"""An execution's result is one document: more faults are only counted."""


class FsckReport:
    """Grows while the check works."""

    def __init__(self, *, deep: bool, repair: bool) -> None:
        self.deep = deep
        self.repair = repair
        self.read_bytes = 0
        self.young_orphans = 0
        """Objects without a blob that may still become one."""
        self._checked: Counter[str] = Counter()
        self._faults: Counter[str] = Counter()
        self._repaired: Counter[str] = Counter()
        self._entries: list[dict[str, Any]] = []

    def check(self, what: str) -> None:
        """One thing was looked at."""
        self._checked[what] += 1

    def add(
        self,
        fault: str,
        reference: str,
        why: str,
        *,
        repaired: str = "",
        repositories: Sequence[str] = (),
        tags: Sequence[str] = (),
    ) -> None:
        """One fault; `repaired` says what was done about it, empty for nothing."""
        self._faults[fault] += 1
        self._repaired[fault] += bool(repaired)
        if len(self._entries) < SHOWN:
            entry = {"fault": fault, "reference": reference, "why": why, "repaired": repaired}
            self._entries.append({**entry, "repositories": list(repositories), "tags": list(tags)})

    @property
    def faults(self) -> dict[str, int]:
        """How many of each kind."""
        return dict(self._faults)

    def totals(self) -> dict[str, Any]:
        """The numbers alone."""
        return {
            "deep": self.deep,
            "repair": self.repair,
            "checked": dict(self._checked),
            "readBytes": self.read_bytes,
            "faults": dict(self._faults),
            "repaired": {fault: count for fault, count in self._repaired.items() if count},
            "youngOrphans": self.young_orphans,
        }

    def result(self) -> dict[str, Any]:
        """For the execution's record."""
        return {
            **self.totals(),
            "entries": self._entries,
            "entriesLeftOut": sum(self._faults.values()) - len(self._entries),
        }
