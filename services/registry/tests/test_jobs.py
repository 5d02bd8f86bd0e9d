"""The regular work, through a real worker."""

import asyncio
from types import SimpleNamespace
from typing import Any

from cloudly.executions.v1 import execution_pb2, execution_pb2_grpc
from cloudly.tasks.v1 import task_pb2, task_pb2_grpc
from cloudly_kit.leases import Lease
from cloudly_registry.cleanup import Cleanup
from cloudly_registry.collector import Collector
from cloudly_registry.fsck import Fsck
from cloudly_registry.jobs import Work, collect_garbage
from cloudly_registry.testing import Client, Registry
from redis.asyncio import Redis


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


class CountedLease(Lease):
    """A lease that tells how often it was asked for."""

    asked = 0

    async def acquire(self) -> bool:
        self.asked += 1
        return await super().acquire()


async def test_of_two_collectors_one_works_at_a_time(
    registry: Registry, collector: Collector, cleanup: Cleanup, fsck: Fsck
) -> None:
    at_work: list[str] = []
    begun, release = asyncio.Event(), asyncio.Event()

    async def progress_of(owner: str) -> None:
        at_work.append(owner)
        begun.set()
        await release.wait()

    async with Redis.from_url(registry.settings.redis_url.get_secret_value()) as redis:
        leases = {owner: CountedLease(redis, "test.lease.collector", owner, 1.5) for owner in ("first", "second")}

        async def collect(owner: str) -> dict[str, Any]:
            async def progress(done: int, total: int, what: str) -> None:
                await progress_of(owner)

            work = Work(cleanup, collector, fsck, leases[owner], sealed=None)  # type: ignore[arg-type]
            run = SimpleNamespace(parameters={}, progress=progress)
            return dict(await collect_garbage.run(run, work) or {})  # type: ignore[arg-type]

        async with asyncio.timeout(60):
            first = asyncio.create_task(collect("first"))
            await begun.wait()
            second = asyncio.create_task(collect("second"))
            # Longer than the lease lives unless it is renewed.
            while leases["second"].asked < 8 or leases["first"].asked < 5:
                await asyncio.sleep(0.05)
            assert set(at_work) == {"first"}
            release.set()
            assert "manifests" in await first
            assert "manifests" in await second
    assert at_work == sorted(at_work), "one after the other"


async def test_the_next_collector_takes_over_from_one_that_died(
    registry: Registry, collector: Collector, cleanup: Cleanup, fsck: Fsck
) -> None:
    async def progress(done: int, total: int, what: str) -> None:
        pass

    async with Redis.from_url(registry.settings.redis_url.get_secret_value()) as redis, asyncio.timeout(30):
        dead, heir = (Lease(redis, "test.lease.dead", owner, 1) for owner in ("dead", "heir"))
        assert await dead.acquire()
        work = Work(cleanup, collector, fsck, heir, sealed=None)  # type: ignore[arg-type]
        run = SimpleNamespace(parameters={"dryRun": True}, progress=progress)
        assert (await collect_garbage.run(run, work) or {})["dryRun"] is True  # type: ignore[arg-type]
