"""Executions: their records, their ends, their schedules, in one process with real servers."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from arq.constants import abort_jobs_ss, job_key_prefix
from cloudly.auth.v1 import audit_pb2
from cloudly.executions.v1 import execution_pb2 as pb
from cloudly_kit.audit.journal import Journal
from cloudly_kit.errors import InvalidArgument, InvalidPageToken, NotFound
from cloudly_kit.identity import Caller, Identity, set_caller
from cloudly_kit.jobs import Executions, ExecutionServicer, Run, State, Task, Upkeep, task
from cloudly_kit.jobs.schedule import Scheduler
from cloudly_kit.jobs.worker import LeasedWorker
from cloudly_kit.store import Collection, Database, Document, PageRequest, RequestKey
from cloudly_kit.testing import Redis as RedisServer
from redis.asyncio import Redis

SERVICE = "tasks"


@task("greet", timeout_seconds=60, description="Says hello.")
async def greet(run: Run, parts: str):
    await run.log(f"hello {run.parameters['name']}")
    await run.progress(1, 1, "said")
    return {"said": f"{parts} {run.parameters['name']}"}


@task("fail", timeout_seconds=60, max_failures=2)
async def fail(run: Run, parts: str):
    await run.log("trying")
    raise RuntimeError("out of paper")


@task("hang", timeout_seconds=2)
async def hang(run: Run, parts: str):
    await asyncio.sleep(3600)


@task("listen", timeout_seconds=60)
async def listen(run: Run, parts: str):
    while True:
        await asyncio.sleep(0.1)
        await run.checkpoint({"listening": True})


class Book(Document):
    name: str = "a book"


@task("shelve", timeout_seconds=60)
async def shelve(run: Run, parts: str):
    await run.checkpoint({"far": True})
    database = run._executions.records.database
    await Collection(database, "books", Book, kind="book").insert(Book())


@task("collect", timeout_seconds=60, always_audited=True)
async def collect(run: Run, parts: str):
    return None


@task("nightly", timeout_seconds=3600, schedule="0 3 * * *")
async def nightly(run: Run, parts: str):
    return None


TASKS: tuple[Task[str], ...] = (greet, fail, hang, listen, shelve, collect, nightly)


@pytest.fixture
async def executions(database: Database, redis_client: Redis) -> Executions:
    built = Executions(database, redis_client, SERVICE, TASKS)
    await built.ensure()
    return built


@asynccontextmanager
async def working(executions: Executions, redis: Redis) -> AsyncIterator[LeasedWorker]:
    journal = Journal(executions.records.database, redis, SERVICE)
    worker = LeasedWorker(redis, executions, "hello", journal, lease_seconds=3)
    loops = [asyncio.create_task(worker.main()), asyncio.create_task(worker.renew_leases())]
    try:
        yield worker
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)


async def told(executions: Executions) -> list[audit_pb2.AuditEntry]:
    """What the audit log is told."""
    return [
        audit_pb2.AuditEntry.FromString(row["body"])
        async for row in executions.records.database.raw("_audit").find({"state": "done"})
    ]


async def reaches(executions: Executions, execution_id: str, *states: State, seconds: float = 20):
    async with asyncio.timeout(seconds):
        while (record := await executions.get(execution_id)).state not in states:
            await asyncio.sleep(0.05)
    return record


async def test_what_a_scheduled_execution_changes_is_in_the_audit_log_and_nothing_else_is(executions, redis_client):
    made = await executions.create("shelve", trigger="schedule", actor="schedule")
    idle = await executions.create("greet", {"name": "Ann"}, trigger="schedule", actor="schedule")
    collected = await executions.create("collect", trigger="schedule", actor="schedule")
    async with working(executions, redis_client):
        for one in (made, idle, collected):
            await reaches(executions, one.id, State.SUCCEEDED)
    entries = {entry.resource.id: entry for entry in await told(executions)}
    assert set(entries) == {made.id, collected.id}
    entry = entries[made.id]
    assert (entry.method, entry.actor.name, entry.actor.type) == ("task.shelve", SERVICE, "service")
    assert entry.result == audit_pb2.AUDIT_RESULT_DONE
    assert [(one.resource.kind, one.etag_before) for one in entry.changes] == [("book", "")]
    assert json.loads(entry.request) == {"task": "shelve", "trigger": "schedule", "startedBy": "schedule", "attempt": 1}


async def test_an_execution_is_written_down_runs_and_ends_with_its_result_and_log(executions, redis_client):
    made = await executions.create("greet", {"name": "Ann"}, actor="admin")
    assert (made.state, made.id.startswith("tasks-"), made.actor) == (State.QUEUED, True, "admin")
    async with working(executions, redis_client):
        done = await reaches(executions, made.id, State.SUCCEEDED)
    assert (done.result, done.attempt, done.done, done.total) == ({"said": "hello Ann"}, 1, 1, 1)
    await redis_client.flushall()
    assert [line.text for line in await executions.log.read(made.id)] == ["hello Ann"]


async def test_a_repeated_request_answers_the_same_execution(executions):
    key = RequestKey.of("ann", "r1", b"body")
    first = await executions.create("greet", {"name": "Ann"}, request=key)
    again = await executions.create("greet", {"name": "Ann"}, request=key)
    assert again.id == first.id


async def test_an_unknown_task_is_not_found(executions):
    with pytest.raises(NotFound):
        await executions.create("dance")


async def test_a_failing_task_is_tried_again_and_ends_as_failed_with_the_reason(executions, redis_client):
    made = await executions.create("fail")
    async with working(executions, redis_client):
        ended = await reaches(executions, made.id, State.FAILED)
    assert (ended.failures, ended.attempt, ended.error) == (2, 2, "RuntimeError: out of paper")
    texts = [line.text for line in await executions.log.read(made.id)]
    assert texts == ["trying", "RuntimeError: out of paper"] * 2


async def test_a_task_that_hangs_is_ended_at_its_deadline_by_its_worker(executions, redis_client):
    made = await executions.create("hang")
    async with working(executions, redis_client):
        ended = await reaches(executions, made.id, State.FAILED)
        assert ended.error == "its deadline passed while it ran"
        async with asyncio.timeout(20):  # the record ends first, so that a kill in between leaves nothing unfinished
            while await executions.queue.holds(made.id):
                await asyncio.sleep(0.05)


async def test_an_execution_that_nobody_takes_up_is_ended_at_its_deadline_by_upkeep(executions):
    made = await executions.create("hang")
    upkeep = Upkeep(executions)
    await upkeep.once(datetime.now(UTC))
    assert (await executions.get(made.id)).state is State.QUEUED
    await upkeep.once(datetime.now(UTC) + timedelta(seconds=10))
    ended = await executions.get(made.id)
    assert (ended.state, "deadline" in ended.error) == (State.FAILED, True)
    assert not await executions.queue.holds(made.id)


async def test_a_deadline_holds_while_redis_is_away(database: Database, own_redis: RedisServer):
    redis = Redis.from_url(own_redis.url)
    executions = Executions(database, redis, SERVICE, TASKS)
    await executions.ensure()
    made = await executions.create("hang")
    own_redis.kill()
    await Upkeep(executions).once(datetime.now(UTC) + timedelta(seconds=10))
    assert (await executions.get(made.id)).state is State.FAILED
    await redis.aclose()


async def test_a_waiting_execution_is_cancelled_at_once_and_leaves_no_ghost(executions, redis_client):
    made = await executions.create("greet", {"name": "Ann"})
    assert (await executions.cancel(made.id)).state is State.CANCELLED
    assert await redis_client.zrange(abort_jobs_ss, 0, -1) == []
    assert not await redis_client.exists(job_key_prefix + made.id)
    assert (await executions.cancel(made.id)).state is State.CANCELLED


async def test_a_running_execution_is_cancelled(executions, redis_client):
    made = await executions.create("listen")
    async with working(executions, redis_client):
        await reaches(executions, made.id, State.RUNNING)
        asked = await executions.cancel(made.id)
        assert asked.cancel_requested
        await reaches(executions, made.id, State.CANCELLED)
    assert not await executions.queue.holds(made.id)


async def test_a_cancel_whose_signal_is_lost_is_seen_at_the_next_checkpoint(executions, redis_client):
    made = await executions.create("listen")
    async with working(executions, redis_client):
        await reaches(executions, made.id, State.RUNNING)
        await executions.records.change(made.id, lambda found: found.model_copy(update={"cancel_requested": True}))
        await reaches(executions, made.id, State.CANCELLED)


async def test_an_ended_execution_cannot_be_cancelled(executions, redis_client):
    made = await executions.create("greet", {"name": "Ann"})
    async with working(executions, redis_client):
        await reaches(executions, made.id, State.SUCCEEDED)
    assert (await executions.cancel(made.id)).state is State.SUCCEEDED


async def test_an_execution_created_while_redis_is_away_runs_when_it_is_back(
    database: Database, own_redis: RedisServer
):
    redis = Redis.from_url(own_redis.url)
    executions = Executions(database, redis, SERVICE, TASKS)
    await executions.ensure()
    own_redis.kill()
    made = await executions.create("greet", {"name": "Ann"})
    await asyncio.to_thread(own_redis.start)
    await Upkeep(executions).once(datetime.now(UTC) + timedelta(seconds=6))
    async with working(executions, redis):
        await reaches(executions, made.id, State.SUCCEEDED)
    await redis.aclose()


async def test_a_worker_outlives_redis_and_goes_on_with_what_it_runs(database: Database, own_redis: RedisServer):
    redis = Redis.from_url(own_redis.url)
    executions = Executions(database, redis, SERVICE, TASKS)
    await executions.ensure()
    async with working(executions, redis):
        running = await executions.create("listen")
        await reaches(executions, running.id, State.RUNNING)
        own_redis.kill()
        await asyncio.sleep(2)
        await asyncio.to_thread(own_redis.start)
        after = await executions.create("greet", {"name": "Ann"})
        await reaches(executions, after.id, State.SUCCEEDED)
        still = await executions.get(running.id)
        assert (still.state, still.attempt) == (State.RUNNING, 1)
        await executions.cancel(running.id)
        await reaches(executions, running.id, State.CANCELLED)
    await redis.aclose()


async def test_a_slot_is_planned_once_however_many_look(database, executions):
    first, second = Scheduler(database, executions), Scheduler(database, executions)
    evening = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
    assert await first.plan(evening) == []
    night = datetime(2026, 11, 23, 3, 0, 4, tzinfo=UTC)
    made = await asyncio.gather(first.plan(night), second.plan(night))
    assert sorted(made) == [[], ["tasks-nightly@20261123T0300"]]
    assert await first.plan(night + timedelta(minutes=5)) == []


async def test_a_missed_slot_is_caught_up_and_of_several_only_the_latest(database, executions):
    scheduler = Scheduler(database, executions)
    await scheduler.plan(datetime(2026, 11, 20, 20, 0, tzinfo=UTC))
    assert await scheduler.plan(datetime(2026, 11, 23, 9, 30, tzinfo=UTC)) == ["tasks-nightly@20261123T0300"]


async def test_a_worker_that_died_between_slot_and_note_does_not_run_the_slot_twice(database, executions):
    scheduler = Scheduler(database, executions)
    await scheduler.plan(datetime(2026, 11, 22, 20, 0, tzinfo=UTC))
    await executions.create("nightly", id="tasks-nightly@20261123T0300")
    assert await scheduler.plan(datetime(2026, 11, 23, 3, 1, tzinfo=UTC)) == []


async def test_executions_are_listed_newest_first_page_by_page(executions):
    made = []
    for name in "abcde":
        made.append((await executions.create("greet", {"name": name})).id)
        await asyncio.sleep(0.002)
    first = await executions.page(PageRequest(page_size=2))
    await executions.create("greet", {"name": "late"})
    second = await executions.page(PageRequest(page_size=2, page_token=first.next_page_token))
    third = await executions.page(PageRequest(page_size=2, page_token=second.next_page_token))
    assert [record.id for page in (first, second, third) for record in page.items] == made[::-1]
    assert third.next_page_token == ""
    cancelled = await executions.cancel(made[0])
    found = await executions.page(PageRequest(filter='state = "CANCELLED" AND task = "greet"'))
    assert [record.id for record in found.items] == [cancelled.id]


async def test_another_order_and_a_damaged_token_are_refused(executions):
    with pytest.raises(InvalidArgument):
        await executions.page(PageRequest(order_by="create_time"))
    with pytest.raises(InvalidPageToken):
        await executions.page(PageRequest(page_token="nonsense"))


async def test_a_watch_shows_the_log_and_every_state_and_ends_with_the_end(executions, redis_client):
    set_caller(Caller(Identity(id="u", name="ann", type="human"), token="", request_id="r", remote_address=""))
    servicer = ExecutionServicer(executions)
    made = await executions.create("greet", {"name": "Ann"})

    async def watch():
        request = pb.WatchExecutionRequest(execution_id=made.id)
        return [response async for response in servicer.WatchExecution(request, None)]

    watching = asyncio.create_task(watch())
    async with working(executions, redis_client):
        seen = await asyncio.wait_for(watching, 20)
    states = [response.execution.state for response in seen if response.HasField("execution")]
    assert (states[0], states[-1]) == (pb.EXECUTION_STATE_QUEUED, pb.EXECUTION_STATE_SUCCEEDED)
    lines = [response for response in seen if response.HasField("log_line")]
    assert [line.log_line.text for line in lines] == ["hello Ann"]
    resumed = [
        response
        async for response in servicer.WatchExecution(
            pb.WatchExecutionRequest(execution_id=made.id, cursor=lines[0].cursor), None
        )
    ]
    assert [response.HasField("log_line") for response in resumed] == [False]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"name": "Bad Name"}, "lowercase"),
        ({"schedule": "* * *"}, "five fields"),
        ({"schedule": "0 0 30 2 *"}, "next date"),
        ({"schedule": "R * * * *"}, "random"),
        ({"timeout_seconds": 0}, "timeout"),
    ],
)
def test_a_malformed_task_is_refused_where_it_is_written(wrong, why):
    with pytest.raises(ValueError, match=why):
        task(**{"name": "good", "timeout_seconds": 1, **wrong})(greet.run)
