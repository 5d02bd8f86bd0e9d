"""From a write to its effect elsewhere: nothing lost, nothing twice."""

import asyncio
import contextlib
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis.asyncio
import redis.exceptions
from cloudly.registry.v1 import push_pb2
from cloudly_kit.errors import Unavailable
from cloudly_kit.events import EventReader
from cloudly_kit.outbox import Outbox


class Reader:
    """A reader that notes what it hears."""

    def __init__(self, database, redis, failing=0, error=None, group="clusters", note=False):
        self.heard = []
        self.failing = failing
        self.error = error or RuntimeError("not today")
        self.notes = database.raw("notes") if note else None
        self.reader = EventReader(database, redis, source="registry", group=group, handlers={"image.pushed": self.hear})

    async def hear(self, event, session):
        if self.failing:
            self.failing -= 1
            raise self.error
        if self.notes is not None:
            tag = event.payload(push_pb2.ImagePushed).tag
            await self.notes.insert_one({"tag": tag}, session=session.raw)
        self.heard.append(event.payload(push_pb2.ImagePushed).tag)


@asynccontextmanager
async def running(*loops):
    tasks = [asyncio.create_task(loop()) for loop in loops]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(condition, seconds=15):
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


@pytest.fixture
def outbox(database, redis_client):
    return Outbox(database, redis_client, "registry", {"image.pushed": ("clusters",)})


async def put(database, outbox, tag):
    async def work(session):
        return await outbox.put("image.pushed", push_pb2.ImagePushed(tag=tag), session=session)

    return await database.transaction(work)


async def rows(database):
    return [row async for row in database.raw("_outbox").find({})]


async def test_an_event_takes_effect_and_its_row_goes(database, redis_client, outbox):
    reader = Reader(database, redis_client)
    async with running(outbox.relay, reader.reader.run):
        await put(database, outbox, "v1")
        await until(lambda: _true(reader.heard == ["v1"]))
        await until(lambda: _none(rows(database)))


async def test_a_write_that_is_rolled_back_tells_nothing(database, redis_client, outbox):
    async def work(session):
        await outbox.put("image.pushed", push_pb2.ImagePushed(tag="v1"), session=session)
        raise ValueError

    with pytest.raises(ValueError):
        await database.transaction(work)
    assert await rows(database) == []


async def test_an_event_published_twice_takes_effect_once(database, redis_client, outbox):
    other = Outbox(database, redis_client, "registry", {"image.pushed": ("clusters",)})
    first, second = Reader(database, redis_client), Reader(database, redis_client)
    for number in range(5):
        await put(database, outbox, f"v{number}")
    async with running(outbox.relay, other.relay, first.reader.run, second.reader.run):
        await until(lambda: _none(rows(database)))
    assert sorted(first.heard + second.heard) == [f"v{number}" for number in range(5)]


async def test_a_wiped_redis_loses_no_event(database, redis_client, outbox, monkeypatch):
    monkeypatch.setattr("cloudly_kit.outbox.POLL_SECONDS", 0.2)
    await put(database, outbox, "v1")
    async with running(outbox.relay):
        await until(lambda: redis_client.exists("cloudly.event.registry"))
    await redis_client.flushall()
    reader = Reader(database, redis_client)
    async with running(outbox.relay, reader.reader.run):
        await until(lambda: _true(reader.heard == ["v1"]))


async def test_a_relay_that_died_before_publishing_is_made_up_for_by_another(database, redis_client, outbox):
    await put(database, outbox, "v1")
    successor = Outbox(database, redis_client, "registry", {"image.pushed": ("clusters",)})
    reader = Reader(database, redis_client)
    async with running(successor.relay, reader.reader.run):
        await until(lambda: _true(reader.heard == ["v1"]))


async def test_an_event_that_fails_is_tried_again_and_holds_up_no_other(database, redis_client, outbox):
    reader = Reader(database, redis_client, failing=1)
    async with running(outbox.relay, reader.reader.run):
        await put(database, outbox, "v1")
        await put(database, outbox, "v2")
        await until(lambda: _true(sorted(reader.heard) == ["v1", "v2"]))


async def test_a_poisonous_event_is_put_aside_with_its_error(database, redis_client, outbox, monkeypatch):
    monkeypatch.setattr("cloudly_kit.events.ATTEMPTS", 2)
    monkeypatch.setattr("cloudly_kit.events.BLOCK_MS", 50)
    reader = Reader(database, redis_client, failing=2)
    async with running(outbox.relay, reader.reader.run):
        await put(database, outbox, "v1")
        await until(lambda: _none(rows(database)))
    dead = [row async for row in database.raw("dead_events").find({})]
    assert [(row["topic"], "not today" in row["error"]) for row in dead] == [("image.pushed", True)]
    assert reader.heard == []


async def test_a_reader_that_is_away_holds_up_no_other(database, redis_client, monkeypatch):
    monkeypatch.setattr("cloudly_kit.outbox.BATCH", 3)
    monkeypatch.setattr("cloudly_kit.outbox.POLL_SECONDS", 0.1)
    outbox = Outbox(database, redis_client, "registry", {"image.pushed": ("clusters", "away"), "log": ("clusters",)})
    reader = Reader(database, redis_client)
    async with running(outbox.relay, reader.reader.run):
        for number in range(10):
            await put(database, outbox, f"v{number}")
        await until(lambda: _true(len(reader.heard) == 10))

        async def waits_for_one():
            return [row["readers"] for row in await rows(database)] == [["away"]] * 10

        await until(waits_for_one)
        # Who has them is not told again, not even by a Redis that knows nothing any more.
        await redis_client.flushall()
        late = Reader(database, redis_client, group="away")
        async with running(late.reader.run):
            await until(lambda: _none(rows(database)))
    assert sorted(reader.heard) == sorted(late.heard) == [f"v{number}" for number in range(10)]


async def test_an_event_without_readers_is_published_and_forgotten(database, redis_client):
    outbox = Outbox(database, redis_client, "registry", {"image.pushed": ()})
    async with running(outbox.relay):
        await put(database, outbox, "v1")
        await until(lambda: _none(rows(database)))
    assert await redis_client.xlen("cloudly.event.registry") == 1


async def test_nothing_stays_in_redis_of_events_that_all_have(database, redis_client, outbox, monkeypatch):
    monkeypatch.setattr("cloudly_kit.outbox.POLL_SECONDS", 0.1)
    reader = Reader(database, redis_client)
    async with running(outbox.relay, reader.reader.run):
        for number in range(5):
            await put(database, outbox, f"v{number}")
        await until(lambda: _none(rows(database)))
    assert await redis_client.exists("cloudly.acked.registry.clusters", "cloudly.sent.registry") == 0


async def test_what_is_no_event_is_passed_over(database, redis_client, outbox):
    await redis_client.xadd("cloudly.event.registry", {"what": "ever"})
    await redis_client.xadd(
        "cloudly.event.registry", {"id": "x", "topic": "image.lost", "body": b"", "readers": "clusters"}
    )
    reader = Reader(database, redis_client)
    async with running(outbox.relay, reader.reader.run):
        await put(database, outbox, "v1")
        await until(lambda: _none(rows(database)))
    assert reader.heard == ["v1"]
    assert (await redis_client.xpending("cloudly.event.registry", "clusters"))["pending"] == 0


async def test_a_part_that_is_away_is_no_fault_of_the_event(database, redis_client, outbox, monkeypatch):
    monkeypatch.setattr("cloudly_kit.events.ATTEMPTS", 2)
    reader = Reader(database, redis_client, failing=2, error=Unavailable("registry"))
    async with running(outbox.relay, reader.reader.run):
        await put(database, outbox, "v1")
        await until(lambda: _true(reader.heard == ["v1"]))
    assert [row async for row in database.raw("dead_events").find({})] == []


async def test_an_event_that_kills_its_readers_is_put_aside(database, redis_client, outbox, monkeypatch):
    monkeypatch.setattr("cloudly_kit.events.TAKE_OVER_MS", 50)
    monkeypatch.setattr("cloudly_kit.events.DELIVERIES", 3)
    await redis_client.xgroup_create("cloudly.event.registry", "clusters", id="0", mkstream=True)
    async with running(outbox.relay):
        await put(database, outbox, "v1")
        await until(lambda: redis_client.xlen("cloudly.event.registry"))
    # Three readers took it up and were never heard of again.
    [(_, [(entry, _)])] = await redis_client.xreadgroup("clusters", "gone", {"cloudly.event.registry": ">"})
    for name in ("gone2", "gone3"):
        await redis_client.xclaim("cloudly.event.registry", "clusters", name, 0, [entry])
    reader = Reader(database, redis_client)
    async with running(outbox.relay, reader.reader.run):
        await until(lambda: _none(rows(database)))
    assert reader.heard == []
    assert [row["topic"] async for row in database.raw("dead_events").find({})] == ["image.pushed"]


async def test_redis_away_for_a_while_only_makes_it_late(database, own_redis):
    client = redis.asyncio.Redis.from_url(own_redis.url)
    outbox = Outbox(database, client, "registry", {"image.pushed": ("clusters",)})
    reader = Reader(database, client)
    async with running(lambda: _restarted(outbox.relay), lambda: _restarted(reader.reader.run)):
        await put(database, outbox, "v1")
        await until(lambda: _true(reader.heard == ["v1"]))
        await asyncio.to_thread(own_redis.kill)
        await put(database, outbox, "v2")
        await asyncio.sleep(0.3)
        await asyncio.to_thread(own_redis.start)
        await until(lambda: _true(reader.heard == ["v1", "v2"]))
    await client.aclose()


@pytest.mark.parametrize("place", ["outbox.after_commit", "events.before_effect", "events.after_effect"])
async def test_a_process_killed_anywhere_loses_nothing_and_does_nothing_twice(
    database, redis_client, mongo_url, redis_url, place, monkeypatch
):
    monkeypatch.setattr("cloudly_kit.events.TAKE_OVER_MS", 300)
    killed = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", SCRIPT, mongo_url, redis_url, database.name, str(Path(__file__).parent)],
        env={**os.environ, "CLOUDLY_CRASHPOINT": place},
        check=False,
        timeout=60,
    )
    assert killed.returncode == 137
    reader = Reader(database, redis_client, note=True)
    outbox = Outbox(database, redis_client, "registry", {"image.pushed": ("clusters",)})
    async with running(outbox.relay, reader.reader.run):
        await until(lambda: _none(rows(database)))
    assert [note["tag"] async for note in database.raw("notes").find({})] == ["v1"]


SCRIPT = """
import asyncio, sys
import redis.asyncio
from motor.motor_asyncio import AsyncIOMotorClient
from cloudly_kit.store import Database
sys.path.insert(0, sys.argv[4])
import test_events as here

async def main():
    database = Database(AsyncIOMotorClient(sys.argv[1], tz_aware=True), sys.argv[3])
    connection = redis.asyncio.Redis.from_url(sys.argv[2])
    outbox = here.Outbox(database, connection, "registry", {"image.pushed": ("clusters",)})
    reader = here.Reader(database, connection, note=True)
    async with here.running(outbox.relay, reader.reader.run):
        await here.put(database, outbox, "v1")
        await asyncio.sleep(20)

asyncio.run(main())
"""


async def _restarted(loop):
    while True:
        with contextlib.suppress(redis.exceptions.RedisError):
            await loop()
        await asyncio.sleep(0.05)


async def _true(value):
    return value


async def _none(found):
    return not await found
