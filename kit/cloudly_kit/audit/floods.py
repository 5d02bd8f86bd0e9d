"""Refusals that come too fast are counted instead of written, so that nobody fills the database by being refused."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from cloudly.auth.v1 import audit_pb2 as pb

WINDOW_SECONDS = 60.0
ONE_BY_ONE = 10
"""Refusals of one kind (method, caller, address, reason) in a window that are written one by one."""
ALL_TOGETHER = 200
"""Refusals of all kinds in a window that one process writes one by one, and how many kinds it tells apart."""


@dataclass(frozen=True)
class Kind:
    """Refusals that are counted together."""

    method: str
    actor_id: str
    actor_name: str
    address: str
    reason: str
    result: pb.AuditResult.ValueType = pb.AUDIT_RESULT_DENIED
    resource_id: str = ""


class Floods:
    """Counts refusals by kind, and what machines do over and over.

    What was counted in a process that is killed is lost: at most one window.
    """

    def __init__(self) -> None:
        self._until = 0.0
        self._seen: dict[Kind, int] = {}
        self._written = 0
        self._counted: dict[Kind, int] = {}

    def admit(self, kind: Kind, one_by_one: int = ONE_BY_ONE) -> bool:
        """Whether this one is written by itself, as the first ones of a window are; else it has been counted."""
        if time.monotonic() >= self._until:
            self._until, self._written = time.monotonic() + WINDOW_SECONDS, 0
            self._seen.clear()
        seen = self._seen.get(kind, 0)
        if seen < one_by_one and self._written < ALL_TOGETHER:
            self._seen[kind] = seen + 1
            self._written += 1
            return True
        if kind not in self._counted and len(self._counted) >= ALL_TOGETHER:
            # Very many callers: only what they tried is told.
            kind = Kind(kind.method, "", "", "", kind.reason, kind.result)
        self._counted[kind] = self._counted.get(kind, 0) + 1
        return False

    def counted(self, *, all: bool = False) -> Iterator[tuple[Kind, int]]:
        """What was counted in the window that is over (`all`: in this one too); each is told once."""
        if self._counted and (all or time.monotonic() >= self._until):
            taken, self._counted = self._counted, {}
            yield from taken.items()
