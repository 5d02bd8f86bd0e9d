"""The records of executions and the only ways in which they change. Mongo first, the queue second.

    QUEUED ──begin──> RUNNING ──end──> SUCCEEDED | FAILED | CANCELLED
      ^                  │
      └──wait_again──────┘   after a failure that may be repeated, or when a worker stops

A worker that dies leaves RUNNING behind; the next one takes it over with a greater attempt number, which is the fence:
every write of an attempt names its number and is refused once another has begun.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.errors import InvalidArgument, InvalidPageToken, NotFound
from cloudly_kit.ids import new_id
from cloudly_kit.jobs.log import Logs
from cloudly_kit.jobs.queue import Queue
from cloudly_kit.jobs.run import Fenced
from cloudly_kit.jobs.task import Task
from cloudly_kit.store import Choice, Collection, Database, Document, Index, Page, PageRequest, RequestKey, now

KEPT_DAYS = 30
"""How long a record and its log are kept."""

OWN_KIND = "execution"
"""What the records are called; the audit log of a task's changes leaves them out."""

NEWEST_FIRST = "create_time desc"

log = structlog.get_logger()


class State(StrEnum):
    """Where an execution is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


OPEN = (State.QUEUED, State.RUNNING)


_STATE_NAMES = {name: state for state in State for name in (state.name, f"EXECUTION_STATE_{state.name}")}


class Execution(Document):
    """One run of a task. Its scope is the day it was made, `YYYY-MM-DD`."""

    task: str
    state: State = State.QUEUED
    trigger: str = "manual"
    actor: str = ""
    parameters: dict[str, Any] = {}
    deadline_time: datetime
    start_time: datetime | None = None
    end_time: datetime | None = None
    attempt: int = 0
    failures: int = 0
    worker: str = ""
    done: int = 0
    total: int = 0
    message: str = ""
    checkpoint: dict[str, Any] = {}
    result: dict[str, Any] = {}
    error: str = ""
    cancel_requested: bool = False
    expire_time: datetime

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        return self.state not in OPEN


class Executions:
    """The executions of one service."""

    def __init__(self, database: Database, redis: Redis, service: str, tasks: Sequence[Task[Any]]) -> None:
        self.service = service
        self.tasks: Mapping[str, Task[Any]] = {task.name: task for task in tasks}
        if len(self.tasks) != len(tasks):
            raise ValueError(f"two tasks of {service} share a name")
        self.queue = Queue(redis, service)
        self.log = Logs(database, redis)
        self.records: Collection[Execution] = Collection(
            database,
            "executions",
            Execution,
            kind=OWN_KIND,
            indexes=(Index("scope", "state"), Index("expire_time", expire_after_seconds=0)),
            orderable=("create_time",),
            filterable={"task": "task", "state": Choice("state", _STATE_NAMES), "trigger": "trigger"},
        )

    async def ensure(self) -> None:
        """Make the collections and their indexes."""
        await self.records.ensure()
        await self.log.kept.ensure()

    async def create(
        self,
        task: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        trigger: str = "manual",
        actor: str = "",
        request: RequestKey | None = None,
        id: str = "",
    ) -> Execution:
        """Have a task done: written down first, then enqueued; a repeated request answers the execution it made before.

        Raises:
            NotFound: there is no such task here.
            AlreadyExists: an execution with this `id` (a schedule's slot) exists.
        """
        known = self.tasks.get(task)
        if known is None:
            raise NotFound("task", task)
        time = now()
        record, repeated = await self.records.insert(
            Execution(
                id=id or f"{self.service}-{new_id()}",
                scope=day(time),
                create_time=time,
                task=task,
                trigger=trigger,
                actor=actor,
                parameters=dict(parameters or {}),
                deadline_time=time + timedelta(seconds=known.timeout_seconds),
                expire_time=time + timedelta(days=KEPT_DAYS),
            ),
            request=request,
        )
        crashpoint("executions.create.after_write")
        if not repeated:
            try:
                await self.queue.put(record.id, 0)
            except (RedisError, OSError) as error:
                # It is written down: upkeep enqueues it when Redis is back.
                log.warning("execution.enqueue_later", execution=record.id, error=repr(error))
            log.info("execution.created", execution=record.id, task=task, trigger=trigger)
        return record

    async def made_by(self, request: RequestKey | None) -> Execution | None:
        """The execution that a request made before; None where it is the first time, or no request can be repeated."""
        return await self.records.find_one(request_key=request.key) if request is not None else None

    async def get(self, execution_id: str) -> Execution:
        """The record.

        Raises:
            NotFound: there is none.
        """
        return await self.records.get(execution_id)

    async def page(self, request: PageRequest) -> Page[Execution]:
        """The records, newest first: day by day.

        Raises:
            InvalidArgument: another order is asked for, or the filter is not understood.
            InvalidPageToken: the token does not belong to this list.
        """
        if request.order_by not in ("", NEWEST_FIRST):
            raise InvalidArgument.of(("order_by", f"executions come as {NEWEST_FIRST!r} only"))
        # The token names the day on which the list began, so that midnight between two pages moves nothing.
        first, _, token = request.page_token.partition(".") if request.page_token else (day(now()), "", "")
        try:
            scopes = days(KEPT_DAYS + 1, datetime.fromisoformat(first))
        except (ValueError, OverflowError) as error:
            raise InvalidPageToken from error
        page = await self.records.page(scopes, replace(request, order_by=NEWEST_FIRST, page_token=token))
        return replace(page, next_page_token=f"{first}.{page.next_page_token}" if page.next_page_token else "")

    async def latest(self, task: str) -> Execution | None:
        """The newest execution of a task in the last week."""
        request = PageRequest(page_size=1, filter=f'task = "{task}"', order_by=NEWEST_FIRST)
        page = await self.records.page(days(7, now()), request)
        return page.items[0] if page.items else None

    async def unfinished(self) -> list[Execution]:
        """All records that are QUEUED or RUNNING; no task's life reaches further back than its timeout."""
        longest = max((task.timeout_seconds for task in self.tasks.values()), default=0)
        return [
            record
            for scope in days(2 + longest // 86_400, now())
            for state in OPEN
            for record in await self.records.find_all(scope=scope, state=state)
        ]

    async def begin(self, execution_id: str, attempt: int, worker: str) -> Execution:
        """Take the execution up as attempt number `attempt`.

        Raises:
            NotFound: there is no record.
            Fenced: it has ended, or an attempt with this or a greater number has begun.
        """

        def started(record: Execution) -> Execution:
            if record.ended or record.attempt >= attempt:
                raise Fenced(f"{execution_id} attempt {attempt}: is {record.state} at attempt {record.attempt}")
            return record.model_copy(
                update={
                    "state": State.RUNNING,
                    "attempt": attempt,
                    "worker": worker,
                    "start_time": record.start_time or now(),
                }
            )

        return await self._change(execution_id, started)

    async def write(self, execution_id: str, attempt: int, fields: Mapping[str, Any]) -> Execution:
        """Set fields of the record, as the attempt that is at it.

        Raises:
            Fenced: another attempt is, or it has ended.
        """
        return await self._change(execution_id, lambda record: _fenced(record, attempt).model_copy(update=dict(fields)))

    async def wait_again(self, execution_id: str, attempt: int, fields: Mapping[str, Any]) -> Execution:
        """Back to QUEUED: a failure that may be repeated, or a worker that stops. Raises as `write` does."""
        return await self.write(execution_id, attempt, {**fields, "state": State.QUEUED, "worker": ""})

    async def end(self, execution_id: str, attempt: int, state: State, fields: Mapping[str, Any]) -> Execution:
        """The end, told by the attempt that is at it; the log is kept before. Raises as `write` does."""
        record = _fenced(await self.records.get(execution_id), attempt)
        await self.log.keep(execution_id, record.expire_time)
        ended = await self.write(execution_id, attempt, {**fields, "state": state, "end_time": now()})
        await self.log.let_go(execution_id)
        return ended

    async def end_unattended(self, record: Execution, state: State, error: str) -> bool:
        """The end of an execution that no worker will end (cancelled while it waited, past its deadline).

        Returns:
            False: it changed meanwhile; look again.
        """
        await self.log.keep(record.id, record.expire_time)

        def ended(found: Execution) -> Execution:
            if found.etag != record.etag:
                raise Fenced(record.id)
            return found.model_copy(update={"state": state, "error": error, "end_time": now()})

        try:
            await self._change(record.id, ended)
        except Fenced:
            return False
        await self.log.let_go(record.id)
        try:
            if record.state is State.QUEUED:
                await self.queue.remove(record.id)
            else:
                await self.queue.abort(record.id)
        except (RedisError, OSError) as failure:
            # A worker that meets it later finds it ended.
            log.warning("execution.left_in_queue", execution=record.id, error=repr(failure))
        return True

    async def cancel(self, execution_id: str) -> Execution:
        """Ask it to stop. What waits is CANCELLED at once; what runs, when its task has let go; what ended stays.

        Raises:
            NotFound: there is none.
        """
        while True:
            record = await self.get(execution_id)
            if record.ended:
                return record
            if record.state is State.QUEUED:
                if await self.end_unattended(record, State.CANCELLED, ""):
                    return await self.get(execution_id)
                continue
            asked = await self._change(
                execution_id, lambda found: None if found.ended else found.model_copy(update={"cancel_requested": True})
            )
            await self.signal_cancel(execution_id)
            return asked

    async def signal_cancel(self, execution_id: str) -> None:
        """Tell the worker; should that be lost, upkeep repeats it, and the next checkpoint sees the wish."""
        try:
            await self.queue.abort(execution_id)
        except (RedisError, OSError) as error:
            log.warning("execution.cancel_signalled_later", execution=execution_id, error=repr(error))

    async def _change(self, execution_id: str, mutate: Callable[[Execution], Execution | None]) -> Execution:
        changed = await self.records.change(execution_id, mutate)
        await self.log.nudge(execution_id)
        return changed


def day(time: datetime) -> str:
    """The scope of what was made then."""
    return time.strftime("%Y-%m-%d")


def days(count: int, last: datetime) -> list[str]:
    """The scopes of so many days up to that one, newest first."""
    return [day(last - timedelta(days=back)) for back in range(count)]


def _fenced(record: Execution, attempt: int) -> Execution:
    if record.state is not State.RUNNING or record.attempt != attempt:
        raise Fenced(f"{record.id} attempt {attempt}: is {record.state} at attempt {record.attempt}")
    return record
