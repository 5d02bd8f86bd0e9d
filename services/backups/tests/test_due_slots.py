"""Due slots: planned once, caught up once, by the domain and by the worker."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from cloudly.backups.v1.policy_pb2 import Policy
from cloudly_backups.due_slots import DueSlots
from cloudly_backups.jobs import TASKS
from cloudly_backups.policies import Policies
from cloudly_backups.store import BackupsStore
from cloudly_kit.audit.journal import Journal
from cloudly_kit.jobs import Executions
from cloudly_kit.jobs.worker import LeasedWorker


@pytest.fixture
async def store(database):
    built = BackupsStore(database)
    await built.ensure()
    return built


@pytest.fixture
async def policy(store):
    return await Policies(store).create(
        Policy(name="hourly", schedule="0 * * * *", enabled=True, workload_ids=["w" * 20]), None
    )


def next_hour() -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


async def test_nothing_is_due_before_the_first_slot(store, policy):
    assert await DueSlots(store, 30).plan(datetime.now(UTC)) == []


async def test_a_slot_is_planned_once_however_many_look(store, policy):
    slots = DueSlots(store, 30)
    due = next_hour()
    planned = await asyncio.gather(*(slots.plan(due + timedelta(seconds=5)) for _ in range(4)))
    assert [slot.slot_time for made in planned for slot in made] == [due]
    kept = await store.due_slots.find_all(scope=policy.id)
    assert [(slot.id, slot.workload_ids) for slot in kept] == [(f"{policy.id}@{due:%Y%m%dT%H%M}", ["w" * 20])]


async def test_of_missed_slots_only_the_latest_is_planned(store, policy):
    due = next_hour() + timedelta(hours=5)
    planned = await DueSlots(store, 30).plan(due + timedelta(minutes=30))
    assert [slot.slot_time for slot in planned] == [due]


async def test_a_planner_that_died_half_way_is_finished_by_the_next(store, policy):
    slots, due = DueSlots(store, 30), next_hour()
    await slots.plan(due)
    await store.policies.change(
        policy.id, lambda found: found.model_copy(update={"planned_time": due - timedelta(hours=1)})
    )
    assert await slots.plan(due) == []
    assert (await store.policies.get(policy.id)).planned_time == due


async def test_what_passed_while_a_policy_was_off_was_never_due(store, policy):
    policies, slots = Policies(store), DueSlots(store, 30)

    def switched(on):
        def change(found):
            found.enabled = on
            return found

        return change

    await policies.update(policy.id, switched(False), "")
    assert await slots.plan(next_hour()) == []
    await store.policies.change(
        policy.id, lambda found: found.model_copy(update={"planned_time": datetime(2026, 1, 1, tzinfo=UTC)})
    )
    await policies.update(policy.id, switched(True), "")
    assert await slots.plan(datetime.now(UTC)) == []


async def test_planning_leaves_the_etag_that_people_compare(store, policy):
    await DueSlots(store, 30).plan(next_hour())
    assert (await store.policies.get(policy.id)).wish_etag == policy.wish_etag


async def test_the_worker_plans(store, policy, database, redis_client):
    await store.policies.change(
        policy.id, lambda found: found.model_copy(update={"planned_time": found.planned_time - timedelta(hours=2)})
    )
    executions = Executions(database, redis_client, "backups", TASKS)
    await executions.ensure()
    made = await executions.create("plan-due-backups")
    worker = LeasedWorker(redis_client, executions, DueSlots(store, 30), Journal(database, redis_client, "backups"))
    running = asyncio.create_task(worker.main())
    async with asyncio.timeout(20):
        while not (done := await executions.get(made.id)).ended:
            await asyncio.sleep(0.05)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (done.state, done.result) == ("succeeded", {"planned": 1})
    assert len(await store.due_slots.find_all(scope=policy.id)) == 1
