"""Auth's jobs, taken up by a real worker."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cloudly.executions.v1 import execution_pb2, execution_pb2_grpc
from cloudly.tasks.v1 import task_pb2, task_pb2_grpc
from cloudly_auth.jobs import TASKS, Parts
from cloudly_auth.main import build
from cloudly_kit.errors import PermissionDenied
from cloudly_kit.jobs import Executions
from cloudly_kit.jobs.worker import add_worker
from cloudly_kit.runtime import Runtime


@pytest.fixture
async def work(auth) -> AsyncIterator[tuple[Executions, Parts]]:
    """A worker beside the running auth, with its executions and what its tasks work with."""
    async with Runtime("auth", auth.settings) as runtime:
        parts = await build(runtime, auth.settings)
        await add_worker(runtime, TASKS, parts)
        running = asyncio.create_task(runtime.run())
        yield Executions(runtime.database, runtime.redis, "auth", TASKS), parts
        runtime.stop()
        await running


async def test_the_key_is_rotated_by_a_job_that_everybody_can_follow(auth, work: Any):
    executions, parts = work
    before, _ = await parts.keys.signer()
    made = await executions.create("rotate-signing-key")
    stub = execution_pb2_grpc.ExecutionServiceStub(auth.channel(await auth.admin()))
    async with asyncio.timeout(30):
        while True:
            request = execution_pb2.GetExecutionRequest(execution_id=made.id)
            execution = (await stub.GetExecution(request)).execution
            if execution.state == execution_pb2.EXECUTION_STATE_SUCCEEDED:
                break
            await asyncio.sleep(0.1)
    active, _ = await parts.keys.signer()
    assert active != before
    assert dict(execution.result) == {"active_kid": active}
    assert (await auth.identity(await auth.admin())).name == "root"


async def test_an_attempt_that_follows_a_dead_one_does_not_rotate_again(auth, work: Any):
    _, parts = work
    saved: dict[str, Any] = {}

    class Attempt:
        checkpointed = saved

        async def checkpoint(self, data: dict[str, Any]) -> None:
            saved.update(data)

    first = await TASKS[0].run(Attempt(), parts)
    assert await TASKS[0].run(Attempt(), parts) == first


def test_keys_are_rotated_monthly_and_the_audit_log_is_shortened_daily():
    assert {task.name: task.schedule for task in TASKS if task.schedule} == {
        "rotate-signing-key": "17 3 1 * *",
        "expire-audit-log": "41 2 * * *",
    }


async def test_who_may_run_tasks_may_not_for_that_change_keys(auth, work: Any):
    await auth.add_user("op", "operator")
    operator = task_pb2_grpc.TaskServiceStub(auth.channel((await auth.login("op")).access_token))
    for task in ("rotate-signing-key", "rotate-master-key", "drop-previous-master-keys", "rewrap-auth-secrets"):
        with pytest.raises(PermissionDenied, match=r"keys\.manage"):
            await operator.RunTask(task_pb2.RunTaskRequest(task=task))
    assert (await operator.RunTask(task_pb2.RunTaskRequest(task="expire-audit-log"))).execution.id
