"""The regular work, through a real worker."""

import asyncio

from cloudly.executions.v1 import execution_pb2, execution_pb2_grpc
from cloudly.tasks.v1 import task_pb2, task_pb2_grpc
from cloudly_registry.testing import Client, Registry


async def test_the_cleanup_runs_in_the_worker_and_reports(client: Client, registry: Registry, name: str) -> None:
    await client.push_blob(name, b"used")
    token = registry.auth.issue("admin")
    async with registry.harness.channel("registry", token=token) as channel, registry.worker(), asyncio.timeout(60):
        tasks = task_pb2_grpc.TaskServiceStub(channel)
        listed = await tasks.ListTasks(task_pb2.ListTasksRequest())
        expected = ["collect-garbage", "registry-fsck", "rewrap-registry-secrets", "upload-cleanup"]
        assert [task.name for task in listed.tasks] == expected
        started = await tasks.RunTask(task_pb2.RunTaskRequest(task="upload-cleanup"))
        executions = execution_pb2_grpc.ExecutionServiceStub(channel)
        while True:
            request = execution_pb2.GetExecutionRequest(execution_id=started.execution.id)
            execution = (await executions.GetExecution(request)).execution
            if execution.state == execution_pb2.EXECUTION_STATE_SUCCEEDED:
                break
            assert execution.state in (
                execution_pb2.EXECUTION_STATE_QUEUED,
                execution_pb2.EXECUTION_STATE_RUNNING,
            ), execution
            await asyncio.sleep(0.1)
    assert dict(execution.result) == {"uploads": 0, "images": 0, "objects": 0, "bytes": 0, "parts": 0}
