"""The tasks of all services as one list: what can be done, and whose it is."""

import asyncio
from collections.abc import Mapping, Sequence

import structlog
from cloudly.tasks.v1 import task_pb2
from cloudly_kit.errors import DeadlineExceeded, NotFound, Unavailable

from cloudly_tasks.owners import Owner

log = structlog.get_logger()


class Tasks:
    """The rules of tasks. Names are unique in the house: each begins with what it does, not with who does it."""

    def __init__(self, owners: Mapping[str, Owner]) -> None:
        self._owners = owners

    async def list(self) -> tuple[Sequence[task_pb2.Task], Sequence[str]]:
        """All tasks by name, and the owners that are away, whose tasks are left out."""
        found, away = await self._ask()
        return sorted((task for tasks in found.values() for task in tasks), key=lambda task: task.name), away

    async def run(self, request: task_pb2.RunTaskRequest) -> task_pb2.RunTaskResponse:
        """Start a task now, at its owner.

        Raises:
            NotFound: nobody has such a task.
            Unavailable: nobody who answered has, and somebody did not answer.
        """
        found, away = await self._ask()
        for owner, tasks in found.items():
            if any(task.name == request.task for task in tasks):
                return await self._owners[owner].run_task(request)
        if away:
            raise Unavailable(
                away[0], f"no service that answers has the task {request.task!r}; away: {', '.join(away)}"
            )
        raise NotFound("task", request.task)

    async def _ask(self) -> tuple[dict[str, Sequence[task_pb2.Task]], Sequence[str]]:
        async def ask(owner: Owner) -> Sequence[task_pb2.Task] | None:
            try:
                return (await owner.list_tasks()).tasks
            except (Unavailable, DeadlineExceeded) as error:
                log.warning("tasks.owner_left_out", owner=owner.name, error=error.message)
                return None

        answers = await asyncio.gather(*(ask(owner) for owner in self._owners.values()))
        found = {name: tasks for name, tasks in zip(self._owners, answers, strict=True) if tasks is not None}
        return found, [name for name in self._owners if name not in found]
