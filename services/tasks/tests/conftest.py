"""The tasks service with neighbours that serve tasks and executions as every service does; the others are away."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from cloudly_kit.config import ServiceSettings
from cloudly_kit.jobs import Executions, Run, Task, add_worker, serve_jobs, task
from cloudly_kit.runtime import Runtime
from cloudly_tasks import main
from cloudly_tasks.config import Settings
from cloudly_tasks.jobs import TASKS


@task("sweep", timeout_seconds=60, category="test")
async def sweep(run: Run, parts: None):
    while True:
        await asyncio.sleep(0.1)
        await run.checkpoint({"swept": True})


NEIGHBOUR_TASKS: tuple[Task[None], ...] = (sweep,)


class House:
    """Starts services and workers in this process."""

    def __init__(self, harness, stack):
        self.harness, self._stack = harness, stack

    async def tasks(self):
        await self._start("tasks", main.serve, Settings)

    async def neighbour(self, name):
        """A service that has nothing but its tasks and executions, as every service serves them."""

        async def serve(settings):
            async with Runtime(name, settings) as runtime:
                executions = Executions(runtime.database, runtime.redis, name, NEIGHBOUR_TASKS)
                await executions.ensure()
                serve_jobs(runtime, executions)
                await runtime.run()

        running = AsyncExitStack()
        await running.enter_async_context(self.harness.running(name, serve, self.harness.settings(ServiceSettings)))
        self._stack.push_async_callback(running.aclose)
        return running

    async def worker(self, name="tasks"):
        settings = self.harness.settings(Settings, health_check_seconds=1)
        await self._stack.enter_async_context(_working(name, settings))

    async def channel(self, *roles):
        return await self._stack.enter_async_context(self.harness.channel("tasks", *roles))

    async def _start(self, name, serve, settings_class):
        await self._stack.enter_async_context(self.harness.running(name, serve, self.harness.settings(settings_class)))


@asynccontextmanager
async def _working(name, settings):
    runtime = Runtime(name, settings)

    async def body():
        async with runtime:
            if name == "tasks":
                await add_worker(runtime, TASKS, await main.build(runtime, settings))
            else:
                await add_worker(runtime, NEIGHBOUR_TASKS, None)
            await runtime.run()

    running = asyncio.create_task(body())
    yield
    runtime.stop()
    await asyncio.wait_for(running, 20)


@pytest.fixture
async def house(harness):
    async with AsyncExitStack() as stack:
        yield House(harness, stack)
