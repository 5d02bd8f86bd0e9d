"""One attempt at an execution: begin, do, end. What the arq function of every worker does with an execution's id."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

import orjson
import structlog
from arq.worker import Retry
from cloudly.auth.v1 import audit_pb2 as pb
from prometheus_client import Counter

from cloudly_kit.audit.calls import audited
from cloudly_kit.audit.journal import Journal
from cloudly_kit.errors import NotFound
from cloudly_kit.jobs.executions import OWN_KIND, Execution, Executions, State
from cloudly_kit.jobs.run import CancelRequested, Fenced, Run
from cloudly_kit.jobs.task import Task

LAST_WORD_SECONDS = 4.0
"""How long a cancelled attempt may take to write down what became of it."""

LONGEST_BACK_OFF_SECONDS = 300

log = structlog.get_logger()

ENDED = Counter("cloudly_executions_total", "Executions that ended.", ["service", "task", "state"])

P = TypeVar("P")


class Attempts(Generic[P]):
    """Does executions of one service's tasks; `parts` is what the task functions get beside their run."""

    def __init__(self, executions: Executions, parts: P, worker_id: str, journal: Journal) -> None:
        self._executions = executions
        self._journal = journal
        self._parts = parts
        self._worker = worker_id

    async def execute(self, execution_id: str, attempt: int) -> None:
        """Make the attempt and record how it went.

        Raises:
            Retry: arq shall try again later.
            CancelledError: this worker stops, lost its lease, or was told to cancel.
        """
        try:
            record = await self._executions.begin(execution_id, attempt, self._worker)
        except NotFound:
            log.warning("execution.unknown", execution=execution_id)
            return
        except Fenced:
            await self._not_begun(execution_id, attempt)
            return
        task = self._executions.tasks.get(record.task)
        if task is None:
            await self._end(record, State.FAILED, {"error": f"this version knows no task {record.task!r}"})
        elif record.cancel_requested:
            await self._end(record, State.CANCELLED, {})
        else:
            await self._attempt(record, task)

    async def _not_begun(self, execution_id: str, attempt: int) -> None:
        record = await self._executions.get(execution_id)
        if record.ended:
            return
        # Redis had lost its count of tries: go on above the number that is written down.
        log.warning("execution.count_was_lost", execution=execution_id, attempt=attempt, recorded=record.attempt)
        await self._executions.queue.count_on_from(execution_id, record.attempt)
        raise Retry(defer=1)

    async def _attempt(self, record: Execution, task: Task[P]) -> None:
        run = Run(self._executions, record)
        log.info("execution.begun", execution=record.id, task=task.name, attempt=record.attempt)
        seconds = (record.deadline_time - datetime.now(UTC)).total_seconds()
        try:
            async with asyncio.timeout(max(0.0, seconds)) as limit:
                async with self._audited(record, task):
                    result = await task.run(run, self._parts)
            await self._end(record, State.SUCCEEDED, {**run.unwritten(), "result": dict(result or {})})
        except Fenced as fenced:
            log.warning("execution.fenced", execution=record.id, attempt=record.attempt, why=str(fenced))
        except CancelRequested:
            await self._end(record, State.CANCELLED, run.unwritten())
        except asyncio.CancelledError:
            # Wanted, or this worker stops, or it lost its lease: the record knows.
            async with asyncio.timeout(LAST_WORD_SECONDS):
                await self._interrupted(record, run)
            raise
        except Exception as failure:  # noqa: BLE001 - whatever a task raises is its failure, and is recorded as such
            if isinstance(failure, TimeoutError) and limit.expired():
                await self._end(record, State.FAILED, {**run.unwritten(), "error": "its deadline passed while it ran"})
            else:
                await self._failed(record, task, run, failure)

    def _audited(self, record: Execution, task: Task[P]) -> AbstractAsyncContextManager[pb.AuditEntry]:
        """What the task changes is in the audit log as done by the service; who asked for it stands beside."""
        asked = {"task": task.name, "trigger": record.trigger, "startedBy": record.actor, "attempt": record.attempt}
        entry = pb.AuditEntry(
            method=f"task.{task.name}",
            actor=pb.AuditActor(id=self._journal.service, name=self._journal.service, type="service"),
            resource=pb.AuditResource(kind=OWN_KIND, id=record.id, name=task.name),
            request=orjson.dumps(asked).decode(),
        )
        return audited(
            self._journal,
            entry,
            seconds=task.timeout_seconds,
            if_it_writes=not task.always_audited,
            apart_from=frozenset({OWN_KIND}),
        )

    async def _interrupted(self, record: Execution, run: Run) -> None:
        try:
            if (await self._executions.get(record.id)).cancel_requested:
                await self._end(record, State.CANCELLED, run.unwritten())
            else:
                await self._executions.wait_again(record.id, record.attempt, run.unwritten())
                log.info("execution.interrupted", execution=record.id, attempt=record.attempt)
        except Fenced:
            log.info("execution.taken_over", execution=record.id, attempt=record.attempt)

    async def _failed(self, record: Execution, task: Task[P], run: Run, failure: Exception) -> None:
        failures = record.failures + 1
        told = f"{type(failure).__name__}: {failure}"[:2_000]
        log.warning(
            "execution.attempt_failed", execution=record.id, task=task.name, failures=failures, exc_info=failure
        )
        await run.log(told, "error")
        fields = {**run.unwritten(), "failures": failures, "error": told}
        if failures >= task.max_failures:
            await self._end(record, State.FAILED, fields)
            return
        try:
            await self._executions.wait_again(record.id, record.attempt, fields)
        except Fenced as fenced:
            log.warning("execution.fenced", execution=record.id, attempt=record.attempt, why=str(fenced))
            return
        raise Retry(defer=min(2**failures, LONGEST_BACK_OFF_SECONDS))

    async def _end(self, record: Execution, state: State, fields: Mapping[str, Any]) -> None:
        if state is State.SUCCEEDED:
            fields = {**fields, "error": ""}
        try:
            await self._executions.end(record.id, record.attempt, state, fields)
        except Fenced as fenced:
            log.warning("execution.fenced", execution=record.id, attempt=record.attempt, why=str(fenced))
            return
        ENDED.labels(self._executions.service, record.task, state.value).inc()
        log.info("execution.ended", execution=record.id, task=record.task, state=state.value, attempt=record.attempt)
