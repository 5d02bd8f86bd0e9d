"""The owners of tasks and executions: each service, by its own RPCs; this service itself, without a detour."""

from collections.abc import AsyncIterator
from typing import Any, Protocol

from cloudly.executions.v1 import execution_pb2, execution_pb2_grpc
from cloudly.tasks.v1 import task_pb2, task_pb2_grpc
from cloudly_kit.jobs import ExecutionServicer, TaskServicer

TIMEOUT_SECONDS = 5.0
"""How long a list waits for one owner; one that is slower is left out."""


class Owner(Protocol):
    """A service that has tasks and executions. Every method raises DomainError; Unavailable when the owner is away."""

    name: str

    async def list_tasks(self) -> task_pb2.ListTasksResponse:
        """Its tasks."""
        ...

    async def run_task(self, request: task_pb2.RunTaskRequest) -> task_pb2.RunTaskResponse:
        """Start one of its tasks."""
        ...

    async def get_execution(self, request: execution_pb2.GetExecutionRequest) -> execution_pb2.GetExecutionResponse:
        """One of its executions."""
        ...

    async def list_executions(
        self, request: execution_pb2.ListExecutionsRequest
    ) -> execution_pb2.ListExecutionsResponse:
        """A page of them, newest first."""
        ...

    async def cancel_execution(
        self, request: execution_pb2.CancelExecutionRequest
    ) -> execution_pb2.CancelExecutionResponse:
        """Ask one to stop."""
        ...

    def watch_execution(
        self, request: execution_pb2.WatchExecutionRequest
    ) -> AsyncIterator[execution_pb2.WatchExecutionResponse]:
        """One until it ends."""
        ...


class RemoteOwner:
    """Another service."""

    def __init__(self, name: str, channel: Any) -> None:
        self.name = name
        self._tasks: task_pb2_grpc.TaskServiceAsyncStub = task_pb2_grpc.TaskServiceStub(channel)
        self._executions: execution_pb2_grpc.ExecutionServiceAsyncStub = execution_pb2_grpc.ExecutionServiceStub(
            channel
        )

    async def list_tasks(self) -> task_pb2.ListTasksResponse:
        """Its tasks."""
        return await self._tasks.ListTasks(task_pb2.ListTasksRequest(), timeout=TIMEOUT_SECONDS)

    async def run_task(self, request: task_pb2.RunTaskRequest) -> task_pb2.RunTaskResponse:
        """Start one of its tasks."""
        return await self._tasks.RunTask(request)

    async def get_execution(self, request: execution_pb2.GetExecutionRequest) -> execution_pb2.GetExecutionResponse:
        """One of its executions."""
        return await self._executions.GetExecution(request)

    async def list_executions(
        self, request: execution_pb2.ListExecutionsRequest
    ) -> execution_pb2.ListExecutionsResponse:
        """A page of them."""
        return await self._executions.ListExecutions(request, timeout=TIMEOUT_SECONDS)

    async def cancel_execution(
        self, request: execution_pb2.CancelExecutionRequest
    ) -> execution_pb2.CancelExecutionResponse:
        """Ask one to stop."""
        return await self._executions.CancelExecution(request)

    async def watch_execution(
        self, request: execution_pb2.WatchExecutionRequest
    ) -> AsyncIterator[execution_pb2.WatchExecutionResponse]:
        """One until it ends."""
        async for response in self._executions.WatchExecution(request):
            yield response


class OwnTasks:
    """This service's own tasks and executions, through the servicers that every service has."""

    def __init__(self, name: str, tasks: TaskServicer, executions: ExecutionServicer) -> None:
        self.name = name
        self._tasks = tasks
        self._executions = executions

    async def list_tasks(self) -> task_pb2.ListTasksResponse:
        """Our tasks."""
        return await self._tasks.ListTasks(task_pb2.ListTasksRequest(), None)

    async def run_task(self, request: task_pb2.RunTaskRequest) -> task_pb2.RunTaskResponse:
        """Start one of our tasks."""
        return await self._tasks.RunTask(request, None)

    async def get_execution(self, request: execution_pb2.GetExecutionRequest) -> execution_pb2.GetExecutionResponse:
        """One of our executions."""
        return await self._executions.GetExecution(request, None)

    async def list_executions(
        self, request: execution_pb2.ListExecutionsRequest
    ) -> execution_pb2.ListExecutionsResponse:
        """A page of them."""
        return await self._executions.ListExecutions(request, None)

    async def cancel_execution(
        self, request: execution_pb2.CancelExecutionRequest
    ) -> execution_pb2.CancelExecutionResponse:
        """Ask one to stop."""
        return await self._executions.CancelExecution(request, None)

    async def watch_execution(
        self, request: execution_pb2.WatchExecutionRequest
    ) -> AsyncIterator[execution_pb2.WatchExecutionResponse]:
        """One until it ends."""
        async for response in self._executions.WatchExecution(request, None):
            yield response
