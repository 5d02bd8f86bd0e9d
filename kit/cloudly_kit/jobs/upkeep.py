"""Nothing is lost, nothing hangs for ever: what Redis forgot is enqueued again, what is past its deadline is ended."""

import asyncio
from datetime import UTC, datetime, timedelta

import structlog

from cloudly_kit.jobs.executions import Executions, State

INTERVAL_SECONDS = 10.0
GRACE = timedelta(seconds=5)
"""Between writing a record and enqueuing it, and between a deadline and its worker's own end of the task."""

log = structlog.get_logger()


class Upkeep:
    """Looks after all unfinished executions of a service. Any number of processes may do it at once: every step is
    idempotent or fenced.
    """

    def __init__(self, executions: Executions, interval_seconds: float = INTERVAL_SECONDS) -> None:
        self._executions = executions
        self._interval = interval_seconds

    async def run(self) -> None:
        """At once, then every few seconds, for ever."""
        while True:
            await self.once(datetime.now(UTC))
            await asyncio.sleep(self._interval)

    async def once(self, now: datetime) -> None:
        """One round: deadlines first, since they need no Redis, then forgotten jobs and cancels that got lost.

        Raises:
            RedisError: Redis is away, so nobody knows what it forgot.
        """
        unfinished = await self._executions.unfinished()
        late = [record for record in unfinished if record.deadline_time + GRACE < now]
        for record in late:
            error = f"it was still {record.state} at its deadline, {record.deadline_time:%Y-%m-%dT%H:%M:%SZ}"
            if await self._executions.end_unattended(record, State.FAILED, error):
                log.error("execution.past_deadline", execution=record.id, task=record.task, was=record.state)
        for record in unfinished:
            if record in late or record.create_time + GRACE > now:
                continue
            if not await self._executions.queue.holds(record.id):
                await self._executions.queue.put_again(record.id, record.attempt)
                log.warning("execution.enqueued_again", execution=record.id, attempt=record.attempt)
            if record.cancel_requested:
                await self._executions.signal_cancel(record.id)
