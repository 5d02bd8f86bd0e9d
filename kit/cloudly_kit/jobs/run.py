"""What a task function holds of its execution: its parameters, its checkpoint, and the ways to tell how far it is."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cloudly_kit.jobs.executions import Execution, Executions

PROGRESS_INTERVAL_SECONDS = 0.5
"""Progress told faster than this is remembered and written with the next write."""


class Fenced(Exception):
    """Another attempt, or an end, has taken the execution away; stop without writing anything more."""


class CancelRequested(Exception):
    """This execution was asked to stop; raised out of its next write, so that a lost signal is not a lost cancel."""


class Run:
    """One attempt at an execution, handed to the task function.

    Every write is fenced by the attempt's number: once another worker took the execution over, writes raise `Fenced`.
    """

    def __init__(self, executions: "Executions", execution: "Execution") -> None:
        self._executions = executions
        self._told = 0.0
        self._progress: tuple[int, int, str] | None = None
        self.id = execution.id
        self.task = execution.task
        self.attempt = execution.attempt
        self.parameters: Mapping[str, Any] = execution.parameters
        self.checkpointed: dict[str, Any] = dict(execution.checkpoint)
        """What an earlier attempt saved last; empty in a fresh execution."""

    async def checkpoint(self, data: Mapping[str, Any]) -> None:
        """Save, in place of the last checkpoint, what the next attempt needs to go on from here (JSON values).

        Raises:
            Fenced: this attempt is no longer the one.
            CancelRequested: the execution was asked to stop.
        """
        self.checkpointed = dict(data)
        await self._write(checkpoint=self.checkpointed)

    async def progress(self, done: int, total: int, message: str = "") -> None:
        """Tell how far it is. Written at most twice a second, the last word always. Raises as `checkpoint` does."""
        self._progress = (done, total, message)
        if done >= total or time.monotonic() - self._told >= PROGRESS_INTERVAL_SECONDS:
            await self._write()

    async def log(self, text: str, severity: str = "info") -> None:
        """Add a line (`info`, `warning` or `error`) to the execution's log. A Redis that is away loses the line."""
        await self._executions.log.append(self.id, text, severity)

    def unwritten(self) -> dict[str, Any]:
        """Progress that was told but not written yet, as fields of the record."""
        if self._progress is None:
            return {}
        done, total, message = self._progress
        return {"done": done, "total": total, "message": message}

    async def _write(self, **fields: Any) -> None:
        record = await self._executions.write(self.id, self.attempt, {**self.unwritten(), **fields})
        self._progress = None
        self._told = time.monotonic()
        if record.cancel_requested:
            raise CancelRequested(self.id)
