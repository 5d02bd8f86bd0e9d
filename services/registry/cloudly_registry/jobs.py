"""The regular work of the registry."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cloudly_kit.jobs import Run, Task, task
from cloudly_kit.leases import Lease
from cloudly_kit.sealed_values import SealedValues, rewrap_task

from cloudly_registry.cleanup import Cleanup
from cloudly_registry.collector import Collector
from cloudly_registry.fsck import Fsck

COLLECT_GARBAGE = "collect-garbage"
CHECK = "registry-fsck"


@dataclass(frozen=True)
class Work:
    """What the tasks do their work with."""

    cleanup: Cleanup
    collector: Collector
    fsck: Fsck
    lease: Lease
    """Held by the one collector that works."""
    sealed: SealedValues


@task(
    "upload-cleanup",
    timeout_seconds=3600,
    description="Removes uploads that nobody went on with, and objects and rows that nothing refers to.",
    category="maintenance",
    schedule="17 * * * *",
    always_audited=True,
)
async def upload_cleanup(run: Run, work: Work) -> dict[str, Any]:
    """Give space back."""

    async def report(done: int, what: str) -> None:
        await run.progress(done, 0, what)

    return dict(await work.cleanup.run(report))


@task(
    COLLECT_GARBAGE,
    timeout_seconds=6 * 3600,
    description="Applies rules of retention and collects what nothing needs. Parameter dryRun: only report.",
    category="maintenance",
    schedule="37 * * * *",
    always_audited=True,
)
async def collect_garbage(run: Run, work: Work) -> dict[str, Any]:
    """Collect; the report is the execution's result."""
    async with work.lease.held():
        report = await work.collector.run(run.progress, dry_run=bool(run.parameters.get("dryRun", False)))
    return report.result()


@task(
    CHECK,
    timeout_seconds=24 * 3600,
    description="Checks that everything the registry has written down is there and is what its digest says. "
    "Parameters deep: read all bytes; repair: do what can be done.",
    category="maintenance",
    always_audited=True,
)
async def check_registry(run: Run, work: Work) -> dict[str, Any]:
    """Check; the report is the execution's result."""
    deep, repair = (bool(run.parameters.get(name, False)) for name in ("deep", "repair"))
    return (await work.fsck.run(run.progress, deep=deep, repair=repair)).result()


def _sealed(work: Work) -> SealedValues:
    return work.sealed


TASKS: Sequence[Task[Work]] = (upload_cleanup, collect_garbage, check_registry, rewrap_task("registry", _sealed))
