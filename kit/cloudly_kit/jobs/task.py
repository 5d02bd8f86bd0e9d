"""A task as data: its name, its function, its limits, its schedule."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from cloudly_kit.cron import check_schedule
from cloudly_kit.jobs.run import Run

P = TypeVar("P")

Result = Mapping[str, Any] | None
"""What a task function answers: JSON values, kept in the record; None is an empty result."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")


@dataclass(frozen=True)
class Task(Generic[P]):
    """Work that a service knows by name. `P` is what the service's worker builds for its tasks (stores, channels)."""

    name: str
    run: Callable[[Run, P], Awaitable[Result]]
    timeout_seconds: int
    """The life of an execution from its creation to its end, waiting and retries included; then it is FAILED."""
    max_failures: int = 3
    """How often the function may raise before the execution is FAILED. Dead workers do not count."""
    description: str = ""
    category: str = ""
    schedule: str = ""
    """Five-field cron, UTC; empty: only by hand."""
    permission: str = ""
    """What whoever starts it by name needs besides `tasks.run`."""
    always_audited: bool = False
    """Every execution is an entry of the audit log, not only one that writes documents: it changes something else."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"a task's name is 1 to 40 lowercase letters, digits and hyphens, not {self.name!r}")
        if self.timeout_seconds < 1 or self.max_failures < 1:
            raise ValueError(f"the task {self.name} needs a timeout and at least one attempt")
        if self.schedule:
            check_schedule(self.schedule)


def task(
    name: str,
    *,
    timeout_seconds: int,
    max_failures: int = 3,
    description: str = "",
    category: str = "",
    schedule: str = "",
    permission: str = "",
    always_audited: bool = False,
) -> Callable[[Callable[[Run, P], Awaitable[Result]]], Task[P]]:
    """Make a task of an async function `(run, parts) -> result`.

        @task("mark-offline-nodes", timeout_seconds=60, schedule="* * * * *")
        async def mark_offline_nodes(run: Run, nodes: Nodes) -> Result: ...

    Raises:
        ValueError: the name or the schedule is malformed.
    """

    def of(function: Callable[[Run, P], Awaitable[Result]]) -> Task[P]:
        return Task(
            name, function, timeout_seconds, max_failures, description, category, schedule, permission, always_audited
        )

    return of
