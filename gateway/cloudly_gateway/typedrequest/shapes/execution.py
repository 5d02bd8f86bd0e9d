"""ITask and ITaskExecution."""

from collections.abc import Iterable
from typing import Any

from cloudly.executions.v1 import execution_pb2
from cloudly.tasks.v1 import task_pb2
from google.protobuf.json_format import MessageToDict

from cloudly_gateway.typedrequest.shapes.times import milliseconds

STATES = {
    execution_pb2.EXECUTION_STATE_QUEUED: "running",
    execution_pb2.EXECUTION_STATE_RUNNING: "running",
    execution_pb2.EXECUTION_STATE_SUCCEEDED: "completed",
    execution_pb2.EXECUTION_STATE_FAILED: "failed",
    execution_pb2.EXECUTION_STATE_CANCELLED: "cancelled",
}
ENDED = ("completed", "failed", "cancelled")
_SEVERITIES = ("info", "warning", "error", "success")


def execution(known: execution_pb2.Execution, lines: Iterable[execution_pb2.LogLine] = ()) -> dict[str, Any]:
    """An execution with its log."""
    started = milliseconds(known.start_time if known.HasField("start_time") else known.create_time)
    data: dict[str, Any] = {
        "taskName": known.task,
        "startedAt": started,
        "status": STATES.get(known.state, "running"),
        "triggeredBy": known.trigger if known.trigger in {"schedule", "manual"} else "system",
        "logs": [_line(line) for line in lines],
        "metrics": _metrics(known),
    }
    if known.actor:
        data["triggeredByUserId"] = known.actor
    if known.HasField("end_time"):
        data["completedAt"] = milliseconds(known.end_time)
        data["duration"] = max(0, data["completedAt"] - started)
    if known.error:
        data["error"] = {"message": known.error}
    return {"id": known.id, "data": data}


def task(known: task_pb2.Task) -> dict[str, Any]:
    """A task that Cloudly knows how to do."""
    record: dict[str, Any] = {
        "name": known.name,
        "description": known.description,
        "category": known.category,
        "enabled": True,
    }
    if known.schedule:
        record["schedule"] = known.schedule
    if known.HasField("last_run_time"):
        record["lastRun"] = milliseconds(known.last_run_time)
    return record


def _line(known: execution_pb2.LogLine) -> dict[str, Any]:
    severity = known.severity if known.severity in _SEVERITIES else "info"
    return {"timestamp": milliseconds(known.time), "message": known.text, "severity": severity}


def _metrics(known: execution_pb2.Execution) -> dict[str, float | str]:
    result = MessageToDict(known.result)
    return {
        name: value
        for name, value in result.items()
        if isinstance(value, int | float | str) and not isinstance(value, bool)
    }
