"""Workers as processes of their own: killed, stalled, cut off from their queue, told to stop. This file is also their
program.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cloudly_kit.config import ServiceSettings
from cloudly_kit.jobs import Execution, Executions, Run, State, Task, run_worker, task
from cloudly_kit.jobs.schedule import Scheduler, Slot
from cloudly_kit.runtime import Runtime
from cloudly_kit.store import Database, PageRequest
from motor.motor_asyncio import AsyncIOMotorClient
from redis.asyncio import Redis

SERVICE = "tasks"
STEP_SECONDS = 0.2


@task("count", timeout_seconds=300)
async def count(run: Run, redis: Redis):
    for step in range(run.checkpointed.get("done", 0), int(run.parameters["to"])):
        await asyncio.sleep(STEP_SECONDS)
        await run.checkpoint({"done": step + 1})
        # What was done behind a checkpoint shows here, once a step, whoever did it.
        await redis.rpush(f"proof.{run.id}", f"{run.attempt}:{step}")
        await run.progress(step + 1, int(run.parameters["to"]))


@task("tick", timeout_seconds=60, schedule="* * * * *")
async def tick(run: Run, redis: Redis):
    await redis.incr("ticks")


TASKS: tuple[Task[Redis], ...] = (count, tick)


async def build(process: Runtime, settings: ServiceSettings) -> Redis:
    return process.redis


@dataclass
class Workers:
    """Worker processes of one test."""

    environment: dict[str, str]
    log: Path
    processes: list[subprocess.Popen] = field(default_factory=list)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, __file__, *arguments],
                env={**self.environment, **environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def owner(self, record: Execution) -> subprocess.Popen:
        pid = int(record.worker.split(":")[1])
        return next(process for process in self.processes if process.pid == pid)

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
async def executions(mongo_url: str, database: Database, redis_client: Redis) -> AsyncIterator[Executions]:
    client = AsyncIOMotorClient(mongo_url, tz_aware=True)
    own = Database(client, f"{database.name}_{SERVICE}")
    built = Executions(own, redis_client, SERVICE, TASKS)
    await built.ensure()
    yield built
    await client.drop_database(own.name)
    client.close()


@pytest.fixture
async def workers(executions: Executions, database: Database, mongo_url: str, redis_url: str, scratch: Path):
    environment = {
        **os.environ,
        "MONGODB_URL": mongo_url,
        "MONGODB_NAME": database.name,
        "REDIS_URL": redis_url,
        "CLOUDLY_DATA_DIR": str(scratch),
    }
    started = Workers(environment, scratch / "workers.log")
    yield started
    await asyncio.to_thread(started.stop)


async def until(executions: Executions, execution_id: str, reached, seconds: float = 40) -> Execution:
    async with asyncio.timeout(seconds):
        while not reached(record := await executions.get(execution_id)):
            await asyncio.sleep(0.05)
    return record


def at_step(number: int):
    return lambda record: record.checkpoint.get("done", 0) >= number


def ended(record: Execution) -> bool:
    return record.ended


async def steps(redis: Redis, execution_id: str) -> list[tuple[int, int]]:
    entries = await redis.lrange(f"proof.{execution_id}", 0, -1)
    return [tuple(map(int, entry.decode().split(":"))) for entry in entries]


async def test_a_killed_worker_is_replaced_and_the_work_goes_on_from_its_checkpoint(executions, workers, redis_client):
    workers.start(), workers.start()
    made = await executions.create("count", {"to": 20})
    record = await until(executions, made.id, at_step(3))
    workers.owner(record).kill()
    done = await until(executions, made.id, ended)
    assert (done.state, done.attempt, done.checkpoint) == (State.SUCCEEDED, 2, {"done": 20})
    seen = await steps(redis_client, made.id)
    # The step between the last checkpoint and the kill may be missing in the proof, none is done twice.
    assert [step for _, step in seen] == sorted({step for _, step in seen})
    assert len(seen) >= 19
    assert {attempt for attempt, _ in seen} == {1, 2}


async def test_a_stalled_worker_is_fenced_when_it_comes_back(executions, workers, redis_client):
    workers.start(), workers.start()
    made = await executions.create("count", {"to": 40})
    record = await until(executions, made.id, at_step(3))
    stalled = workers.owner(record)
    stalled.send_signal(signal.SIGSTOP)
    await until(executions, made.id, lambda found: found.attempt == 2 and at_step(6)(found))
    stalled.send_signal(signal.SIGCONT)
    done = await until(executions, made.id, ended)
    assert (done.state, done.attempt) == (State.SUCCEEDED, 2)
    assert workers.owner(done) is not stalled
    # Once the second attempt had begun, the first could finish the step it stood in, and no other.
    seen = await steps(redis_client, made.id)
    attempts = [attempt for attempt, _ in seen]
    assert attempts[attempts.index(2) :].count(1) <= 1
    of_second = [step for attempt, step in seen if attempt == 2]
    assert of_second == list(range(of_second[0], 40))


async def test_an_emptied_redis_loses_no_execution(executions, workers, redis_client):
    workers.start(), workers.start()
    running = await executions.create("count", {"to": 40})
    await until(executions, running.id, at_step(3))
    await redis_client.flushall()
    waiting = await executions.create("count", {"to": 1})
    healed = await until(executions, running.id, lambda found: found.attempt >= 2 and at_step(8)(found))
    assert healed.state is State.RUNNING
    assert (await until(executions, waiting.id, ended)).state is State.SUCCEEDED
    assert (await until(executions, running.id, ended)).state is State.SUCCEEDED


async def test_a_cancel_reaches_the_process_that_runs_it(executions, workers):
    workers.start()
    made = await executions.create("count", {"to": 1000})
    await until(executions, made.id, at_step(1))
    await executions.cancel(made.id)
    assert (await until(executions, made.id, ended)).state is State.CANCELLED


async def test_a_worker_that_is_told_to_stop_hands_its_work_back_at_once(executions, workers):
    first = workers.start()
    made = await executions.create("count", {"to": 30})
    await until(executions, made.id, at_step(3))
    first.terminate()
    assert await asyncio.to_thread(first.wait, 10) == 0
    assert (await executions.get(made.id)).state is State.QUEUED
    assert await executions.queue.lease_owner(made.id) == ""
    workers.start()
    done = await until(executions, made.id, ended)
    assert (done.state, done.attempt, done.failures) == (State.SUCCEEDED, 2, 0)


async def test_an_execution_whose_creator_died_behind_the_write_is_run(executions, workers):
    creator = workers.start("create", CLOUDLY_CRASHPOINT="executions.create.after_write")
    assert await asyncio.to_thread(creator.wait, 20) == 137
    [left_behind] = (await executions.page(PageRequest())).items
    assert not await executions.queue.holds(left_behind.id)
    workers.start()
    assert (await until(executions, left_behind.id, ended)).state is State.SUCCEEDED


async def test_a_worker_catches_up_the_slot_that_was_missed_while_none_lived(executions, workers, redis_client):
    slots = Scheduler(executions.records.database, executions).slots
    await slots.insert(Slot(id="tick", planned_time=datetime(2026, 1, 1, tzinfo=UTC)))
    workers.start(), workers.start()
    async with asyncio.timeout(20):
        while not await redis_client.get("ticks"):
            await asyncio.sleep(0.1)
    made = (await executions.page(PageRequest())).items
    # One for the missed slot; another only if a minute began meanwhile.
    assert made[-1].id.startswith("tasks-tick@")
    assert {record.trigger for record in made} == {"schedule"}
    assert len(made) <= 2


async def create() -> None:
    async with Runtime(SERVICE, ServiceSettings()) as runtime:
        await Executions(runtime.database, runtime.redis, SERVICE, TASKS).create("count", {"to": 1})


if __name__ == "__main__":
    if sys.argv[1:] == ["create"]:
        asyncio.run(create())
    else:
        run_worker(SERVICE, ServiceSettings, TASKS, build)
