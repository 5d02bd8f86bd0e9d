"""From a write to its effect elsewhere: nothing lost, nothing twice."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from cloudly.registry.v1 import push_pb2
from cloudly_kit.events import EventReader
from cloudly_kit.outbox import Outbox


class Reader:
    """A reader that notes what it hears."""

    def __init__(self, database, redis, failing=0):
        self.heard = []
        self.failing = failing
        self.reader = EventReader(
            database, redis, source="registry", group="clusters", handlers={"image.pushed": self.hear}
        )

    async def hear(self, event, session):
        if self.failing:
            self.failing -= 1
            raise RuntimeError("not today")
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


async def _true(value):
    return value


async def _none(found):
    return not await found
