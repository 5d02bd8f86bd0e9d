"""The tasks of all services as one list: what can be done, and whose it is."""

import asyncio
from collections.abc import Mapping, Sequence

import structlog
from cloudly.tasks.v1 import task_pb2
from cloudly_kit.errors import DeadlineExceeded, NotFound, Unavailable, Unimplemented

from cloudly_tasks.owners import Owner

log = structlog.get_logger()


class Tasks:
    """The rules of tasks. Names are unique in the house: each begins with what it does, not with who does it."""

    def __init__(self, owners: Mapping[str, Owner]) -> None:
        self._owners = owners

    async def list(self) -> tuple[Sequence[task_pb2.Task], Sequence[str]]:
        """All tasks by name, and the owners that are away, whose tasks are left out."""
        answers = await asyncio.gather(*(_tasks_of(owner) for owner in self._owners.values()))
        found = [task for tasks in answers for task in tasks or ()]
        away = [name for name, tasks in zip(self._owners, answers, strict=True) if tasks is None]
        return sorted(found, key=lambda task: task.name), away

    async def run(self, request: task_pb2.RunTaskRequest) -> task_pb2.RunTaskResponse:
        """Start a task now, at its owner.

        Raises:
            NotFound: nobody has such a task.
            Unavailable: nobody who answered has, and somebody did not answer.
        """
        owner = await self._owner_of(request.task)
        return await owner.run_task(request)

    async def _owner_of(self, name: str) -> Owner:
        away = []
        asking = {asyncio.create_task(_tasks_of(owner)): owner for owner in self._owners.values()}
        try:
            waiting = set(asking)
            # Whoever has it is enough: those that are slow or away are not waited for.
            while waiting:
                answered, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for ask in answered:
                    tasks = await ask
                    if tasks is None:
                        away.append(asking[ask].name)
                    elif any(task.name == name for task in tasks):
                        return asking[ask]
        finally:
            for ask in asking:
                ask.cancel()
            await asyncio.gather(*asking, return_exceptions=True)
        if away:
            raise Unavailable(
                away[0], f"no service that answers has the task {name!r}; away: {', '.join(sorted(away))}"
            )
        raise NotFound("task", name)


async def _tasks_of(owner: Owner) -> Sequence[task_pb2.Task] | None:
    """The owner's tasks; None when it is away."""
    try:
        return (await owner.list_tasks()).tasks
    except Unimplemented:
        # A version that has no task service has no tasks to offer.
        return ()
    except (Unavailable, DeadlineExceeded) as error:
        log.warning("tasks.owner_left_out", owner=owner.name, error=error.message)
        return None
