"""Migrations take effect once on every document, whoever is interrupted, and whoever still runs the older version."""

import asyncio
import os
import subprocess
import sys

import pytest
from cloudly_kit.store import Collection, Document, Migration


class OldBoat(Document):
    name: str
    crew: int = 0


class Boat(Document):
    name: str
    sailors: int = 0


def double_and_rename(raw):
    raw["sailors"] = raw.pop("crew") * 2
    return raw


def add_one(raw):
    raw["sailors"] += 1
    return raw


STEPS = (Migration(2, "rename crew", double_and_rename), Migration(3, "add the cook", add_one))


def old(database):
    return Collection(database, "boats", OldBoat, kind="boat")


def new(database, steps=STEPS):
    return Collection(database, "boats", Boat, kind="boat", migrations=steps)


async def fill(database, count=25):
    collection = old(database)
    await collection.ensure()
    return [(await collection.insert(OldBoat(name=f"b{n}", crew=n)))[0] for n in range(count)]


async def test_documents_of_an_older_version_are_brought_to_this_one(database):
    before = await fill(database)
    await new(database).ensure()
    for number, boat in enumerate(before):
        raw = await database.raw("boats").find_one({"_id": boat.id})
        assert (raw["schema"], raw["sailors"]) == (3, number * 2 + 1)
        # Who holds an etag can go on with it: nobody has changed anything.
        assert raw["etag"] == boat.etag
    record = await database.raw("_schema").find_one({"_id": "boats"})
    assert [(step["version"], step["name"], step["documents"]) for step in record["history"]] == [
        (2, "rename crew", 25),
        (3, "add the cook", 25),
    ]


async def test_replicas_that_start_at_once_migrate_once(database):
    before = await fill(database)
    await asyncio.gather(*(new(database).ensure() for _ in range(4)))
    assert (await new(database).get(before[3].id)).sailors == 7
    record = await database.raw("_schema").find_one({"_id": "boats"})
    assert [step["documents"] for step in record["history"]] == [25, 25]


async def test_what_an_older_replica_writes_later_is_brought_up_when_read(database):
    await fill(database, 1)
    collection = new(database)
    await collection.ensure()
    late, _ = await old(database).insert(OldBoat(name="late", crew=4))
    assert (await collection.get(late.id)).sailors == 9
    changed = await collection.change(late.id, lambda boat: boat.model_copy(update={"sailors": 1}))
    assert changed.sailors == 1
    assert (await collection.get(late.id)).sailors == 1


async def test_migrations_are_numbered_without_gaps(database):
    with pytest.raises(ValueError, match="2, 3, 4"):
        new(database, (Migration(3, "third", add_one),))


SCRIPT = """
import asyncio, sys
from motor.motor_asyncio import AsyncIOMotorClient
from cloudly_kit.store import Database, Collection, Document, Migration
sys.path.insert(0, sys.argv[3])
import test_store_migrations as here
client = AsyncIOMotorClient(sys.argv[1], tz_aware=True)
asyncio.run(here.new(Database(client, sys.argv[2])).ensure())
"""


async def test_a_migration_that_was_killed_goes_on_where_it_was(database, mongo_url, monkeypatch):
    before = await fill(database)
    killed = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", SCRIPT, mongo_url, database.name, os.path.dirname(__file__)],
        env={**os.environ, "CLOUDLY_CRASHPOINT": "migrations.after_document:10"},
        check=False,
        timeout=60,
    )
    assert killed.returncode == 137
    raws = [raw async for raw in database.raw("boats").find({})]
    assert sum(raw["schema"] == 2 for raw in raws) == 10
    # Its lease runs out.
    await database.raw("_schema").update_one({"_id": "boats"}, {"$currentDate": {"lease_time": True}})
    await new(database).ensure()
    assert [(await new(database).get(boat.id)).sailors for boat in before] == [n * 2 + 1 for n in range(25)]
