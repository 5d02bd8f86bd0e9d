"""Cron schedules: a slot is an execution's id, so that many workers plan it once; a missed one is caught up."""

import asyncio
from datetime import UTC, datetime

import structlog

from cloudly_kit.cron import latest_slot, next_slots
from cloudly_kit.errors import AlreadyExists
from cloudly_kit.jobs.executions import Executions
from cloudly_kit.jobs.task import Task
from cloudly_kit.store import Collection, Database, Document

LONGEST_SLEEP_SECONDS = 30.0

log = structlog.get_logger()


class Slot(Document):
    """How far a schedule has come; the id is the task's name."""

    planned_time: datetime
    """The latest slot that became an execution, or that had passed when the schedule was first seen."""


class Scheduler:
    """Plans the scheduled tasks of one service."""

    def __init__(self, database: Database, executions: Executions) -> None:
        self._executions = executions
        self.slots: Collection[Slot] = Collection(database, "schedules", Slot, kind="schedule")

    async def run(self) -> None:
        """Plan slots as they come, for ever."""
        while True:
            now = datetime.now(UTC)
            await self.plan(now)
            await asyncio.sleep(min(LONGEST_SLEEP_SECONDS, self._seconds_to_next(now)))

    async def plan(self, now: datetime) -> list[str]:
        """Make an execution of the latest due slot of every schedule that has not got one.

        Of slots missed while no worker lived only the latest is caught up: running five nightly jobs in one morning
        helps nobody. A schedule that is seen for the first time starts with its next slot.

        Returns:
            The ids of the executions made.
        """
        scheduled = [task for task in self._executions.tasks.values() if task.schedule]
        return [execution_id for task in scheduled if (execution_id := await self._plan(task, now))]

    async def _plan(self, task: Task[object], now: datetime) -> str:
        due = latest_slot(task.schedule, now)
        seen = await self.slots.find(task.name)
        if seen is None:
            try:
                await self.slots.insert(Slot(id=task.name, planned_time=due))
            except AlreadyExists:
                log.debug("schedule.first_seen_elsewhere", task=task.name)
            return ""
        if seen.planned_time >= due:
            return ""
        execution_id = slot_id(self._executions.service, task.name, due)
        try:
            await self._executions.create(task.name, trigger="schedule", actor="schedule", id=execution_id)
        except AlreadyExists:
            # Another worker planned it, or died between this and the next line.
            execution_id = ""
        await self.slots.change(
            task.name,
            lambda slot: None if slot.planned_time >= due else slot.model_copy(update={"planned_time": due}),
        )
        return execution_id

    def _seconds_to_next(self, now: datetime) -> float:
        schedules = [task.schedule for task in self._executions.tasks.values() if task.schedule]
        upcoming = [next_slots(schedule, now, 1)[0] for schedule in schedules]
        if not upcoming:
            return LONGEST_SLEEP_SECONDS
        # A moment late rather than early: an early look finds nothing due.
        return max(0.05, (min(upcoming) - now).total_seconds() + 0.05)


def slot_id(service: str, task: str, slot: datetime) -> str:
    """The id of the execution that a slot is: `registry-collect-garbage@20261123T0300`."""
    return f"{service}-{task}@{slot:%Y%m%dT%H%M}"
