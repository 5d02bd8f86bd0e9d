"""What auth asks of the services that keep sealed values, itself among them."""

import grpc
from cloudly.executions.v1 import execution_pb2, execution_pb2_grpc
from cloudly.sealed.v1 import sealed_value_pb2, sealed_value_pb2_grpc
from cloudly.tasks.v1 import task_pb2, task_pb2_grpc
from cloudly_kit.sealed_values import rewrap_task_name

from cloudly_auth.master_keys import Holding, Rewrap

_ENDED = {
    execution_pb2.EXECUTION_STATE_SUCCEEDED,
    execution_pb2.EXECUTION_STATE_FAILED,
    execution_pb2.EXECUTION_STATE_CANCELLED,
}


class HolderPeer:
    """A service that keeps sealed values."""

    def __init__(self, name: str, channel: grpc.aio.Channel) -> None:
        self.name = name
        self._values: sealed_value_pb2_grpc.SealedValueServiceAsyncStub = sealed_value_pb2_grpc.SealedValueServiceStub(
            channel
        )
        self._tasks: task_pb2_grpc.TaskServiceAsyncStub = task_pb2_grpc.TaskServiceStub(channel)
        self._executions: execution_pb2_grpc.ExecutionServiceAsyncStub = execution_pb2_grpc.ExecutionServiceStub(
            channel
        )

    async def holding(self) -> Holding:
        """What it keeps, by master key."""
        answer = await self._values.CountSealedValues(sealed_value_pb2.CountSealedValuesRequest())
        return Holding(
            counts=dict(answer.counts),
            current=answer.current_key_id,
            known=frozenset(answer.known_key_ids),
            unreadable=tuple(answer.unreadable),
            unreadable_count=answer.unreadable_count,
        )

    async def begin_rewrap(self, key_id: str, order: str) -> str:
        """Have it wrap everything with this key; the execution's id. Repeating the order answers the same one."""
        request = task_pb2.RunTaskRequest(task=rewrap_task_name(self.name), request_id=order)
        request.parameters.update({"key": key_id})
        return (await self._tasks.RunTask(request)).execution.id

    async def rewrap(self, execution_id: str) -> Rewrap:
        """How far it is."""
        request = execution_pb2.GetExecutionRequest(execution_id=execution_id)
        execution = (await self._executions.GetExecution(request)).execution
        ended = execution.state in _ENDED
        failed = ended and execution.state != execution_pb2.EXECUTION_STATE_SUCCEEDED
        return Rewrap(
            ended=ended,
            failure=(execution.error or "it was cancelled") if failed else "",
            done=execution.progress.done,
            total=execution.progress.total,
            rewrapped=int(execution.result.fields["rewrapped"].number_value),
        )
