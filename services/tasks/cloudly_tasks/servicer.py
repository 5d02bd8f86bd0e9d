"""The gRPC surface of tasks: parse, call the domain, answer."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from cloudly.executions.v1 import execution_pb2, execution_pb2_grpc
from cloudly.tasks.v1 import task_pb2, task_pb2_grpc
from cloudly_kit.identity import caller

from cloudly_tasks.executions import AllExecutions
from cloudly_tasks.tasks import Tasks

LEFT_OUT = "x-cloudly-left-out"
"""Trailing metadata of lists: the services, comma-separated, that were away and are missing in the answer."""


class TaskServicer(task_pb2_grpc.TaskServiceServicer):
    """cloudly.tasks.v1.TaskService over the tasks of all services."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks

    async def ListTasks(self, request: task_pb2.ListTasksRequest, context: Any) -> task_pb2.ListTasksResponse:
        """All tasks."""
        tasks, away = await self._tasks.list()
        _tell_left_out(context, away)
        return task_pb2.ListTasksResponse(tasks=tasks)

    async def RunTask(self, request: task_pb2.RunTaskRequest, context: Any) -> task_pb2.RunTaskResponse:
        """Start a task at its owner."""
        return await self._tasks.run(request)


class ExecutionServicer(execution_pb2_grpc.ExecutionServiceServicer):
    """cloudly.executions.v1.ExecutionService over the executions of all services."""

    def __init__(self, executions: AllExecutions) -> None:
        self._executions = executions

    async def GetExecution(
        self, request: execution_pb2.GetExecutionRequest, context: Any
    ) -> execution_pb2.GetExecutionResponse:
        """One, from its owner."""
        return await self._executions.get(request)

    async def ListExecutions(
        self, request: execution_pb2.ListExecutionsRequest, context: Any
    ) -> execution_pb2.ListExecutionsResponse:
        """All, newest first."""
        response, away = await self._executions.list(request, caller().actor.id)
        _tell_left_out(context, away)
        return response

    async def CancelExecution(
        self, request: execution_pb2.CancelExecutionRequest, context: Any
    ) -> execution_pb2.CancelExecutionResponse:
        """Ask one, at its owner, to stop."""
        return await self._executions.cancel(request)

    async def WatchExecution(
        self, request: execution_pb2.WatchExecutionRequest, context: Any
    ) -> AsyncIterator[execution_pb2.WatchExecutionResponse]:
        """One, at its owner, until it ends."""
        async for response in self._executions.watch(request):
            yield response


def _tell_left_out(context: Any, away: Sequence[str]) -> None:
    if away:
        context.set_trailing_metadata(((LEFT_OUT, ",".join(away)),))
