"""The tasks of backups: thin, each loads, calls the domain, records."""

from datetime import UTC, datetime

from cloudly_kit.jobs import Run, Task, task
from cloudly_kit.jobs.task import Result

from cloudly_backups.due_slots import DueSlots


@task(
    "plan-due-backups",
    timeout_seconds=300,
    description="Writes down, once, every moment at which a backup policy has become due.",
    category="backups",
    schedule="*/5 * * * *",
)
async def plan_due_backups(run: Run, due_slots: DueSlots) -> Result:
    """Materialise due slots of enabled policies."""
    planned = await due_slots.plan(datetime.now(UTC))
    for slot in planned:
        await run.log(f"policy {slot.scope} is due since {slot.slot_time:%Y-%m-%dT%H:%MZ}")
    return {"planned": len(planned)}


TASKS: tuple[Task[DueSlots], ...] = (plan_due_backups,)
