"""cloudly.executions.v1.ExecutionService and cloudly.tasks.v1.TaskService over the executions and tasks of one service.

Every service serves both for its own; those of the tasks service stand for all (services/tasks).
"""

from collections.abc import AsyncIterator
from typing import Any

from cloudly.executions.v1 import execution_pb2 as pb
from cloudly.executions.v1 import execution_pb2_grpc
from cloudly.tasks.v1 import task_pb2, task_pb2_grpc
from google.protobuf import json_format, struct_pb2

from cloudly_kit import access
from cloudly_kit.identity import caller
from cloudly_kit.jobs.executions import Execution, Executions, State
from cloudly_kit.jobs.log import Line
from cloudly_kit.jobs.upkeep import Upkeep
from cloudly_kit.resources import page_request, request_key, timestamp
from cloudly_kit.runtime import Runtime

LOOK_SECONDS = 1.0
"""How often a watch looks at the record when nothing wakes it (progress does not always)."""

_STATES = {
    State.QUEUED: pb.EXECUTION_STATE_QUEUED,
    State.RUNNING: pb.EXECUTION_STATE_RUNNING,
    State.SUCCEEDED: pb.EXECUTION_STATE_SUCCEEDED,
    State.FAILED: pb.EXECUTION_STATE_FAILED,
    State.CANCELLED: pb.EXECUTION_STATE_CANCELLED,
}


class ExecutionServicer(execution_pb2_grpc.ExecutionServiceServicer):
    """Get, list, cancel, watch."""

    def __init__(self, executions: Executions) -> None:
        self._executions = executions

    async def GetExecution(self, request: pb.GetExecutionRequest, context: Any) -> pb.GetExecutionResponse:
        """The execution as it is."""
        return pb.GetExecutionResponse(execution=to_message(await self._executions.get(request.execution_id)))

    async def ListExecutions(self, request: pb.ListExecutionsRequest, context: Any) -> pb.ListExecutionsResponse:
        """Newest first."""
        page = await self._executions.page(page_request(request))
        return pb.ListExecutionsResponse(
            executions=[to_message(record) for record in page.items], next_page_token=page.next_page_token
        )

    async def CancelExecution(self, request: pb.CancelExecutionRequest, context: Any) -> pb.CancelExecutionResponse:
        """Ask it to stop."""
        return pb.CancelExecutionResponse(execution=to_message(await self._executions.cancel(request.execution_id)))

    async def WatchExecution(
        self, request: pb.WatchExecutionRequest, context: Any
    ) -> AsyncIterator[pb.WatchExecutionResponse]:
        """The execution at each change and its log lines, in the order in which they are seen, until it has ended."""
        cursor, seen_etag, seen_change = request.cursor, "", ""
        while True:
            record = await self._executions.get(request.execution_id)
            # The log is whole before the record says that it has ended: lines first, the end last.
            for line in await self._executions.log.read(record.id, cursor):
                cursor = line.cursor
                yield pb.WatchExecutionResponse(log_line=_line(line), cursor=cursor)
            if record.etag != seen_etag:
                seen_etag = record.etag
                yield pb.WatchExecutionResponse(execution=to_message(record), cursor=cursor)
            if record.ended:
                return
            seen_change = await self._executions.log.wait(record.id, cursor, seen_change, LOOK_SECONDS)


class TaskServicer(task_pb2_grpc.TaskServiceServicer):
    """List what the service can do, and have it done."""

    def __init__(self, executions: Executions) -> None:
        self._executions = executions

    async def ListTasks(self, request: task_pb2.ListTasksRequest, context: Any) -> task_pb2.ListTasksResponse:
        """All tasks, by name."""
        response = task_pb2.ListTasksResponse()
        for name, task in sorted(self._executions.tasks.items()):
            latest = await self._executions.latest(name)
            response.tasks.add(
                name=name,
                description=task.description,
                category=task.category,
                schedule=task.schedule,
                last_run_time=timestamp(latest.create_time) if latest else None,
            )
        return response

    async def RunTask(self, request: task_pb2.RunTaskRequest, context: Any) -> task_pb2.RunTaskResponse:
        """Start a task now; a repeated request answers the execution it started before."""
        known = self._executions.tasks.get(request.task)
        if known is not None and known.permission:
            access.require(known.permission)
        record = await self._executions.create(
            request.task,
            json_format.MessageToDict(request.parameters),
            actor=caller().actor.name,
            request=request_key(request),
        )
        return task_pb2.RunTaskResponse(execution=to_message(record))


def to_message(record: Execution) -> pb.Execution:
    """The record as the contract has it."""
    return pb.Execution(
        id=record.id,
        task=record.task,
        state=_STATES[record.state],
        create_time=timestamp(record.create_time),
        start_time=timestamp(record.start_time),
        end_time=timestamp(record.end_time),
        attempt=record.attempt,
        progress=pb.Progress(done=record.done, total=record.total, message=record.message),
        trigger=record.trigger,
        actor=record.actor,
        parameters=_struct(record.parameters),
        result=_struct(record.result),
        error=record.error,
        cancel_requested=record.cancel_requested,
        etag=record.etag,
    )


def _line(line: Line) -> pb.LogLine:
    return pb.LogLine(time=timestamp(line.time), severity=line.severity, text=line.text)


def _struct(value: dict[str, Any]) -> struct_pb2.Struct:
    return json_format.ParseDict(value, struct_pb2.Struct())


def serve_jobs(process: Runtime, executions: Executions) -> None:
    """Have a service's gRPC process serve its tasks and executions, and look after them."""
    process.serve(execution_pb2_grpc.add_ExecutionServiceServicer_to_server, ExecutionServicer(executions))
    process.serve(task_pb2_grpc.add_TaskServiceServicer_to_server, TaskServicer(executions))
    process.background("upkeep", Upkeep(executions).run)
