"""Auth's jobs, taken up by a real worker."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cloudly.executions.v1 import execution_pb2, execution_pb2_grpc
from cloudly_auth.jobs import TASKS, Parts
from cloudly_auth.signing_keys import KeyRing
from cloudly_auth.tokens import LONGEST_LIFETIME
from cloudly_kit.crypto import Envelope
from cloudly_kit.jobs import Executions
from cloudly_kit.jobs.worker import add_worker
from cloudly_kit.runtime import Runtime


@pytest.fixture
async def work(auth) -> AsyncIterator[tuple[Executions, KeyRing]]:
    """A worker beside the running auth, with its executions and its view of the keys."""
    async with Runtime("auth", auth.settings) as runtime:
        keys = KeyRing(runtime.database, Envelope.load(auth.settings.keys_dir), longest_token=LONGEST_LIFETIME)
        await add_worker(runtime, TASKS, Parts(keys))
        running = asyncio.create_task(runtime.run())
        yield Executions(runtime.database, runtime.redis, "auth", TASKS), keys
        runtime.stop()
        await running


async def test_the_key_is_rotated_by_a_job_that_everybody_can_follow(auth, work: Any):
    executions, keys = work
    before, _ = await keys.signer()
    made = await executions.create("rotate-signing-key")
    stub = execution_pb2_grpc.ExecutionServiceStub(auth.channel(await auth.admin()))
    async with asyncio.timeout(30):
        while True:
            request = execution_pb2.GetExecutionRequest(execution_id=made.id)
            execution = (await stub.GetExecution(request)).execution
            if execution.state == execution_pb2.EXECUTION_STATE_SUCCEEDED:
                break
            await asyncio.sleep(0.1)
    active, _ = await keys.signer()
    assert active != before
    assert dict(execution.result) == {"active_kid": active}
    assert (await auth.identity(await auth.admin())).name == "root"


async def test_an_attempt_that_follows_a_dead_one_does_not_rotate_again(auth, work: Any):
    _, keys = work
    saved: dict[str, Any] = {}

    class Attempt:
        checkpointed = saved

        async def checkpoint(self, data: dict[str, Any]) -> None:
            saved.update(data)

    first = await TASKS[0].run(Attempt(), Parts(keys))
    assert await TASKS[0].run(Attempt(), Parts(keys)) == first


def test_the_rotation_is_scheduled_monthly():
    assert [(task.name, task.schedule) for task in TASKS] == [("rotate-signing-key", "17 3 1 * *")]
