"""Tasks and their executions."""

import asyncio
from typing import Any

from cloudly.executions.v1 import execution_pb2
from cloudly.tasks.v1 import task_pb2

from cloudly_gateway.typedrequest.calls import Calls, every
from cloudly_gateway.typedrequest.fields import Fields
from cloudly_gateway.typedrequest.shapes import execution

LOG_SECONDS = 5.0
"""How long the log of an execution that has ended may take to be read."""


async def get_all(request: Fields, calls: Calls) -> dict[str, Any]:
    """getTasks."""
    del request
    answer = await calls.tasks.ListTasks(task_pb2.ListTasksRequest())
    return {"tasks": [execution.task(item) for item in answer.tasks]}


async def trigger(request: Fields, calls: Calls) -> dict[str, Any]:
    """triggerTask."""
    answer = await calls.tasks.RunTask(task_pb2.RunTaskRequest(task=request.required("taskName")))
    return {"execution": execution.execution(answer.execution)}


async def get_executions(request: Fields, calls: Calls) -> dict[str, Any]:
    """getTaskExecutions; without their logs, which getTaskExecutionById tells."""
    wanted = request.record("filter")
    task, status = wanted.text("taskName"), wanted.text("status")
    asked = execution_pb2.ListExecutionsRequest(filter=f"task = {_quoted(task)}" if task else "")
    records = [execution.execution(item) for item in await every(calls.executions.ListExecutions, asked, "executions")]
    return {"executions": [record for record in records if status in ("", record["data"]["status"])]}


async def get_execution(request: Fields, calls: Calls) -> dict[str, Any]:
    """getTaskExecutionById; with its log once it has ended."""
    execution_id = request.required("executionId")
    asked = execution_pb2.GetExecutionRequest(execution_id=execution_id)
    known = (await calls.executions.GetExecution(asked)).execution
    record = execution.execution(known)
    if record["data"]["status"] not in execution.ENDED:
        return {"execution": record}
    return {"execution": execution.execution(known, await _log(execution_id, calls))}


async def cancel(request: Fields, calls: Calls) -> dict[str, Any]:
    """cancelTask."""
    asked = execution_pb2.CancelExecutionRequest(execution_id=request.required("executionId"))
    await calls.executions.CancelExecution(asked)
    return {"success": True}


async def _log(execution_id: str, calls: Calls) -> list[execution_pb2.LogLine]:
    # The watch of one that has ended tells its log and ends.
    asked = execution_pb2.WatchExecutionRequest(execution_id=execution_id)
    async with asyncio.timeout(LOG_SECONDS):
        news = calls.executions.WatchExecution(asked)
        return [item.log_line async for item in news if item.HasField("log_line")]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
