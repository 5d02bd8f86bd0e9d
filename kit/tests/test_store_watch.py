"""Watches: a snapshot, then every change once and in order, across restarts, for slow and fast watchers."""

import asyncio
import threading
from contextlib import asynccontextmanager

import pytest
from cloudly_kit.errors import CursorLost
from cloudly_kit.store import ChangeEvent, Collection, Database, Document
from motor.motor_asyncio import AsyncIOMotorClient


class Boat(Document):
    name: str
    crew: int = 0


def boats(database):
    return Collection(database, "boats", Boat, kind="boat", orderable=("name",))


@pytest.fixture
async def fleet(database):
    collection = boats(database)
    await collection.ensure()
    return collection


class Watcher:
    """Notes what a watch tells."""

    def __init__(self, collection, **parts):
        self.changes = []
        self.error = None
        self._watch = collection.watch(**parts)

    async def run(self):
        try:
            async for change in self._watch:
                self.changes.append(change)
        except CursorLost as error:
            self.error = error

    @property
    def told(self):
        """Pairs such as ("CHANGED", "Ada")."""
        return [(change.event.name, change.document and change.document.name) for change in self.changes]

    @property
    def cursor(self):
        return self.changes[-1].cursor

    async def until(self, *pairs, seconds=20):
        """Wait until all of these were told."""
        async with asyncio.timeout(seconds):
            while not set(pairs) <= set(self.told):
                await asyncio.sleep(0.01)


@asynccontextmanager
async def watching(collection, **parts):
    watcher = Watcher(collection, **parts)
    task = asyncio.create_task(watcher.run())
    try:
        yield watcher
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


BOOKMARK = ("BOOKMARK", None)


async def test_a_watch_begins_with_what_is_there_and_goes_on_with_what_happens(fleet):
    ada, _ = await fleet.insert(Boat(name="Ada"))
    async with watching(fleet) as watcher:
        await watcher.until(BOOKMARK)
        assert watcher.told == [("SNAPSHOT", "Ada"), BOOKMARK]
        await fleet.insert(Boat(name="Bob"))
        await fleet.change(ada.id, lambda boat: boat.model_copy(update={"crew": 3}))
        await fleet.delete(ada.id)
        await watcher.until(("DELETED", "Ada"))
        assert watcher.told[2:] == [("CHANGED", "Bob"), ("CHANGED", "Ada"), ("DELETED", "Ada")]
        gone = watcher.changes[-1].document
        assert (gone.crew, gone.delete_time is not None) == (3, True)


async def test_a_watch_tells_of_its_scopes_alone(fleet):
    await fleet.insert(Boat(name="Ada", scope="north"))
    await fleet.insert(Boat(name="Bob", scope="south"))
    async with watching(fleet, scopes=["north", "east"]) as watcher:
        await watcher.until(BOOKMARK)
        for scope in ("south", "east", "north"):
            await fleet.insert(Boat(name=f"new-{scope}", scope=scope))
        await watcher.until(("CHANGED", "new-north"))
    assert watcher.told == [("SNAPSHOT", "Ada"), BOOKMARK, ("CHANGED", "new-east"), ("CHANGED", "new-north")]


async def test_a_watcher_never_goes_back_in_time_and_misses_nothing_while_others_write(fleet):
    boat, _ = await fleet.insert(Boat(name="Ada"))
    writing = True

    async def write():
        while writing:
            await fleet.change(boat.id, lambda found: found.model_copy(update={"crew": found.crew + 1}))

    writer = asyncio.create_task(write())
    watchers = []
    for _ in range(5):
        await asyncio.sleep(0.05)
        watcher = Watcher(fleet)
        watchers.append((watcher, asyncio.create_task(watcher.run())))
    await asyncio.sleep(0.3)
    writing = False
    await writer
    last = (await fleet.get(boat.id)).crew
    for watcher, task in watchers:
        async with asyncio.timeout(10):
            while (
                not watcher.changes or watcher.changes[-1].document is None or watcher.changes[-1].document.crew < last
            ):
                await asyncio.sleep(0.01)
        crews = [change.document.crew for change in watcher.changes if change.document]
        assert crews == list(range(crews[0], last + 1))
        task.cancel()


@pytest.mark.parametrize("feed", ["of this process", "that has ended", "of another process"])
async def test_a_cursor_goes_on_where_it_was(fleet, feed):
    async with watching(fleet) as watcher:
        await watcher.until(BOOKMARK)
        await fleet.insert(Boat(name="Ada"))
        await watcher.until(("CHANGED", "Ada"))
        cursor = watcher.cursor
        if feed == "of this process":
            await fleet.insert(Boat(name="Bob"))
            await watcher.until(("CHANGED", "Bob"))
            async with watching(fleet, cursor=cursor) as second:
                await second.until(("CHANGED", "Bob"))
                await fleet.insert(Boat(name="Cleo"))
                await second.until(("CHANGED", "Cleo"))
                assert second.told == [("CHANGED", "Bob"), ("CHANGED", "Cleo")]
            return
    await fleet.insert(Boat(name="Bob"))
    other = boats(fleet.database) if feed == "of another process" else fleet
    async with watching(other) as running:
        if feed == "of another process":
            # Its feed is younger than the cursor, so it has to be caught up with.
            await running.until(("SNAPSHOT", "Bob"))
        async with watching(other, cursor=cursor) as second:
            await second.until(("CHANGED", "Bob"))
            await fleet.insert(Boat(name="Cleo"))
            await second.until(("CHANGED", "Cleo"))
            # By now the feed has taken over.
            await asyncio.sleep(1.5)
            await fleet.insert(Boat(name="Dora"))
            await second.until(("CHANGED", "Dora"))
    told = list(dict.fromkeys(second.told))
    assert told == [("CHANGED", "Bob"), ("CHANGED", "Cleo"), ("CHANGED", "Dora")]


async def test_nothing_is_missed_while_a_cursor_catches_up_with_a_busy_collection(fleet):
    async with watching(fleet) as watcher:
        await watcher.until(BOOKMARK)
        cursor = watcher.cursor
        for number in range(50):
            await fleet.insert(Boat(name=f"before-{number}"))
    other = boats(fleet.database)
    async with watching(other) as running:
        await running.until(BOOKMARK)
        writing = asyncio.create_task(_insert_slowly(fleet))
        async with watching(other, cursor=cursor) as second:
            names = await writing
            await second.until(("CHANGED", names[-1]))
            told = list(dict.fromkeys(name for _, name in second.told))
    assert told == [f"before-{number}" for number in range(50)] + names


async def _insert_slowly(fleet):
    names = [f"during-{number}" for number in range(60)]
    for name in names:
        await fleet.insert(Boat(name=name))
        await asyncio.sleep(0.03)
    return names


@pytest.mark.parametrize("cursor", ["x", "!!!", "AAAA", "BQAAAAA"])
async def test_a_damaged_cursor_is_lost(fleet, cursor):
    if cursor == "BQAAAAA":
        # An empty token would quietly begin at now.
        cursor = "FgAAAAJfZGF0YQAGAAAAbm9uc2UAAA"
    async with watching(fleet, cursor=cursor) as watcher:
        async with asyncio.timeout(5):
            while watcher.error is None:
                await asyncio.sleep(0.01)
    assert watcher.changes == []


async def test_a_quiet_watch_gets_bookmarks(fleet, monkeypatch):
    monkeypatch.setattr("cloudly_kit.store.watching.BOOKMARK_SECONDS", 0.1)
    async with watching(fleet) as watcher:
        async with asyncio.timeout(5):
            while watcher.told.count(BOOKMARK) < 4:
                await asyncio.sleep(0.01)
        cursor = watcher.cursor
    await fleet.insert(Boat(name="Ada"))
    async with watching(fleet, cursor=cursor) as second:
        await second.until(("CHANGED", "Ada"))


async def test_a_slow_watcher_is_ended_and_holds_up_no_other(fleet, monkeypatch):
    monkeypatch.setattr("cloudly_kit.store.feed.BUFFER", 10)
    # The limit is the default of Queue's constructor, too.
    monkeypatch.setattr("cloudly_kit.store.feed.Queue.__init__.__defaults__", (10,))
    slow = fleet.watch()
    assert (await anext(slow)).event is ChangeEvent.BOOKMARK
    async with watching(fleet) as quick:
        await quick.until(BOOKMARK)
        for number in range(30):
            await fleet.insert(Boat(name=f"b{number}"))
            await asyncio.sleep(0.005)
        await quick.until(("CHANGED", "b29"))
        with pytest.raises(CursorLost):
            while True:
                await anext(slow)
        assert len(quick.changes) == 31


async def test_watchers_that_leave_leave_nothing_behind(fleet):
    for _ in range(3):
        async with watching(fleet) as one, watching(fleet, scopes=["-"]) as two:
            await one.until(BOOKMARK)
            await two.until(BOOKMARK)
            assert len(_streams()) == 1
        async with asyncio.timeout(3):
            while _streams():
                await asyncio.sleep(0.02)


def _streams():
    return [thread for thread in threading.enumerate() if thread.name == "stream-boats"]


async def test_a_watch_outlives_the_servers_death_and_misses_nothing(own_mongo):
    client = AsyncIOMotorClient(own_mongo.url, tz_aware=True, serverSelectionTimeoutMS=3000)
    fleet = boats(Database(client, "killed"))
    await fleet.ensure()
    names = []
    async with watching(fleet) as watcher:
        await watcher.until(BOOKMARK)
        for round in range(3):
            for number in range(5):
                names.append(f"b{round}-{number}")
                await fleet.insert(Boat(name=names[-1]))
            await asyncio.to_thread(own_mongo.kill)
            await asyncio.to_thread(own_mongo.start)
        names.append("last")
        await fleet.insert(Boat(name="last"))
        await watcher.until(("CHANGED", "last"), seconds=40)
        assert [name for _, name in watcher.told[1:]] == names
        cursor = watcher.changes[3].cursor
    # A cursor from before the deaths is still good.
    other = boats(fleet.database)
    async with watching(other, cursor=cursor) as second:
        await second.until(("CHANGED", "last"))
        assert [name for _, name in second.told] == names[3:]
    client.close()


async def test_documents_removed_by_the_database_itself_are_no_news(fleet):
    async with watching(fleet) as watcher:
        await watcher.until(BOOKMARK)
        ada, _ = await fleet.insert(Boat(name="Ada"))
        await fleet.database.raw("boats").delete_one({"_id": ada.id})
        await fleet.insert(Boat(name="Bob"))
        await watcher.until(("CHANGED", "Bob"))
        assert watcher.told == [BOOKMARK, ("CHANGED", "Ada"), ("CHANGED", "Bob")]
