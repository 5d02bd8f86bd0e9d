"""What a collection promises about single documents: etags, names, requests, tombstones, lost answers."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from cloudly_kit.errors import AlreadyExists, Conflict, InvalidArgument, NotFound, StaleEtag
from cloudly_kit.store import Collection, Database, Document, Index, RequestKey, Session
from motor.motor_asyncio import AsyncIOMotorClient


class Boat(Document):
    name: str
    crew: int = 0
    built_time: datetime | None = None
    cargo: dict[str, object] = {}


def boats(database) -> Collection[Boat]:
    return Collection(
        database,
        "boats",
        Boat,
        kind="boat",
        indexes=[Index("scope", "name", unique=True), Index("crew")],
        orderable=("name", "create_time"),
    )


@pytest.fixture
async def fleet(database):
    collection = boats(database)
    await collection.ensure()
    return collection


def crew(number):
    return lambda boat: boat.model_copy(update={"crew": number})


def one_more(boat):
    boat.crew += 1
    return boat


async def test_what_insert_answers_is_what_get_answers(fleet):
    built = datetime(2026, 1, 31, 12, 0, 0, 123_456, tzinfo=UTC)
    boat, _ = await fleet.insert(Boat(name="Ada", built_time=built, labels={"a.b/c": "x"}, cargo={"d.e": {"$f": [1]}}))
    assert await fleet.get(boat.id) == boat
    assert boat.built_time == built.replace(microsecond=123_000)
    assert boat.labels == {"a.b/c": "x"}
    assert boat.cargo == {"d.e": {"$f": [1]}}


async def test_every_write_has_a_new_etag_and_a_later_time(fleet):
    boat, _ = await fleet.insert(Boat(name="Ada"))
    changed = await fleet.replace(boat.model_copy(update={"crew": 3}))
    assert changed.etag != boat.etag
    assert changed.update_time > boat.update_time
    assert changed.create_time == boat.create_time


async def test_time_moves_forward_even_when_the_last_writers_clock_was_ahead(fleet):
    boat, _ = await fleet.insert(Boat(name="Ada", update_time=datetime.now(UTC) + timedelta(hours=1)))
    assert (await fleet.change(boat.id, one_more)).update_time > boat.update_time


async def test_a_stale_etag_is_refused_and_changes_nothing(fleet):
    boat, _ = await fleet.insert(Boat(name="Ada"))
    current = await fleet.replace(boat.model_copy(update={"crew": 1}))
    with pytest.raises(StaleEtag) as refused:
        await fleet.replace(boat.model_copy(update={"crew": 2}))
    assert refused.value.metadata["current_etag"] == current.etag
    with pytest.raises(StaleEtag):
        await fleet.change(boat.id, crew(2), etag=boat.etag)
    with pytest.raises(StaleEtag):
        await fleet.delete(boat.id, etag=boat.etag)
    assert await fleet.get(boat.id) == current


async def test_writers_at_once_all_take_effect(fleet):
    boat, _ = await fleet.insert(Boat(name="Ada"))
    await asyncio.gather(*(fleet.change(boat.id, one_more) for _ in range(20)))
    assert (await fleet.get(boat.id)).crew == 20


async def test_of_writers_with_one_etag_one_wins(fleet):
    boat, _ = await fleet.insert(Boat(name="Ada"))
    outcomes = await asyncio.gather(
        *(fleet.change(boat.id, crew(n), etag=boat.etag) for n in range(1, 9)), return_exceptions=True
    )
    won = [outcome for outcome in outcomes if isinstance(outcome, Boat)]
    assert len(won) == 1
    assert all(isinstance(outcome, Boat | StaleEtag) for outcome in outcomes)
    assert (await fleet.get(boat.id)).crew == won[0].crew


async def test_a_change_that_changes_nothing_writes_nothing(fleet):
    boat, _ = await fleet.insert(Boat(name="Ada"))

    def nothing(found):
        found.crew = 99

    assert await fleet.change(boat.id, nothing) == boat
    assert await fleet.get(boat.id) == boat


async def test_a_name_is_unique_within_its_scope_until_its_bearer_is_deleted(fleet):
    first, _ = await fleet.insert(Boat(name="Ada", scope="north"))
    await fleet.insert(Boat(name="Ada", scope="south"))
    with pytest.raises(AlreadyExists, match="a boat named 'Ada'"):
        await fleet.insert(Boat(name="Ada", scope="north"))
    other, _ = await fleet.insert(Boat(name="Bob", scope="north"))
    with pytest.raises(AlreadyExists, match="a boat named 'Ada'"):
        await fleet.change(other.id, lambda boat: boat.model_copy(update={"name": "Ada"}))
    await fleet.delete(first.id)
    again, _ = await fleet.insert(Boat(name="Ada", scope="north"))
    assert await fleet.find_one(scope="north", name="Ada") == again
    assert {boat.id for boat in await fleet.find_all(scope="north", crew=0)} == {other.id, again.id}


async def test_a_deleted_document_is_a_tombstone_that_nobody_finds(fleet):
    boat, _ = await fleet.insert(Boat(name="Ada", crew=7))
    gone = await fleet.delete(boat.id)
    assert gone.delete_time is not None
    assert gone.crew == 7
    assert await fleet.find(boat.id) is None
    assert await fleet.find_one(crew=7) is None
    assert await fleet.find_all(scope="-") == []
    for write in (fleet.get(boat.id), fleet.delete(boat.id), fleet.replace(boat), fleet.change(boat.id, one_more)):
        with pytest.raises(NotFound):
            await write
    assert await fleet.database.raw("boats").find_one({"_id": boat.id}) is not None


async def test_the_database_removes_tombstones_after_a_day(fleet):
    indexes = await fleet.database.raw("boats").index_information()
    assert indexes["tombstone"]["key"] == [("delete_time", 1)]
    assert indexes["tombstone"]["expireAfterSeconds"] == 86_400


async def test_a_repeated_create_answers_what_the_first_made(fleet):
    request = RequestKey.of("anna", "r1", b"make Ada")
    first, repeated = await fleet.insert(Boat(name="Ada"), request=request)
    assert not repeated
    await fleet.change(first.id, crew(4))
    second, repeated = await fleet.insert(Boat(name="Ada"), request=request)
    assert repeated
    assert (second.id, second.crew) == (first.id, 4)
    # Another caller's request id is another request.
    with pytest.raises(AlreadyExists):
        await fleet.insert(Boat(name="Ada"), request=RequestKey.of("bert", "r1", b"make Ada"))


async def test_a_request_id_cannot_be_used_for_something_else(fleet):
    await fleet.insert(Boat(name="Ada"), request=RequestKey.of("anna", "r1", b"make Ada"))
    with pytest.raises(InvalidArgument) as refused:
        await fleet.insert(Boat(name="Bob"), request=RequestKey.of("anna", "r1", b"make Bob"))
    assert [violation.field for violation in refused.value.violations] == ["request_id"]


async def test_creates_repeated_at_once_make_one_document(fleet):
    request = RequestKey.of("anna", "r1", b"make Ada")

    async def in_transaction():
        async def work(session):
            return await fleet.insert(Boat(name="Ada"), request=request, session=session)

        return await fleet.database.transaction(work)

    alone = [fleet.insert(Boat(name="Ada"), request=request) for _ in range(4)]
    outcomes = await asyncio.gather(*alone, *(in_transaction() for _ in range(4)))
    assert len({boat.id for boat, _ in outcomes}) == 1
    assert [repeated for _, repeated in outcomes].count(False) == 1


async def test_a_transaction_happens_as_a_whole_or_not_at_all(fleet):
    async def work(session):
        await fleet.insert(Boat(name="Ada"), session=session)
        await fleet.insert(Boat(name="Bob"), session=session)
        raise ValueError("changed my mind")

    with pytest.raises(ValueError, match="changed my mind"):
        await fleet.database.transaction(work)
    assert await fleet.find_all(scope="-") == []


async def test_transactions_that_meet_are_run_again(fleet):
    boat, _ = await fleet.insert(Boat(name="Ada"))
    runs = 0

    async def work(session: Session):
        nonlocal runs
        runs += 1
        return await fleet.change(boat.id, one_more, session=session)

    await asyncio.gather(*(fleet.database.transaction(work) for _ in range(12)))
    assert (await fleet.get(boat.id)).crew == 12
    assert runs >= 12


async def test_a_transaction_that_always_meets_others_ends_as_a_conflict(fleet, monkeypatch):
    monkeypatch.setattr("cloudly_kit.store.database.ATTEMPTS", 3)
    boat, _ = await fleet.insert(Boat(name="Ada"))

    async def work(session):
        await fleet.get(boat.id, session=session)
        await fleet.change(boat.id, one_more)
        await fleet.change(boat.id, one_more, session=session)

    with pytest.raises(Conflict):
        await fleet.database.transaction(work)


async def test_what_waits_for_the_commit_hears_of_the_commit_alone(fleet):
    heard = []

    async def work(session, *, fail):
        session.after_commit(lambda: heard.append(fail))
        await fleet.insert(Boat(name="Ada"), session=session)
        if fail:
            raise ValueError

    with pytest.raises(ValueError):
        await fleet.database.transaction(lambda session: work(session, fail=True))
    await fleet.database.transaction(lambda session: work(session, fail=False))
    assert heard == [False]


async def test_no_write_is_lost_or_done_twice_when_the_server_is_killed(own_mongo):
    client = AsyncIOMotorClient(own_mongo.url, tz_aware=True, serverSelectionTimeoutMS=3000)
    fleet = boats(Database(client, "killed"))
    await fleet.ensure()
    boat, _ = await fleet.insert(Boat(name="counter"))
    names: list[str] = []
    counted = 0
    stop = False

    async def insert(part):
        for number in range(10_000):
            if stop:
                return
            name = f"{part}-{number}"
            await fleet.insert(Boat(name=name, scope=part))
            names.append(name)

    async def count():
        nonlocal counted
        while not stop:
            await fleet.change(boat.id, one_more)
            counted += 1

    async def count_and_insert():
        nonlocal counted

        async def work(session):
            await fleet.change(boat.id, one_more, session=session)
            return (await fleet.insert(Boat(name=name, scope="tx"), session=session))[0].name

        for number in range(10_000):
            if stop:
                return
            name = f"tx-{number}"
            names.append(await fleet.database.transaction(work))
            counted += 1

    async with asyncio.TaskGroup() as group:
        for writer in (insert("a"), insert("b"), count(), count_and_insert()):
            group.create_task(writer)
        for _ in range(3):
            await asyncio.sleep(0.4)
            await asyncio.to_thread(own_mongo.kill)
            await asyncio.to_thread(own_mongo.start)
        await asyncio.sleep(0.4)
        stop = True
    assert len(names) > 10
    stored = [boat.name for scope in ("a", "b", "tx") for boat in await fleet.find_all(scope=scope)]
    assert sorted(stored) == sorted(names)
    assert (await fleet.get(boat.id)).crew == counted
    client.close()
