"""What is sealed is found by its marks, counted, and wrapped anew beside everything else that happens."""

import asyncio
from typing import Annotated, Any

import pytest
from cloudly_kit.crypto import Envelope, Sealed
from cloudly_kit.errors import FailedPrecondition, StaleEtag
from cloudly_kit.jobs import Executions, Run
from cloudly_kit.sealed_fields import SealedFor, sealed_fields, sealed_in, with_each_sealed
from cloudly_kit.sealed_values import SealedValues, rewrap_task
from cloudly_kit.store import Collection, Document
from pydantic import BaseModel

KEYS = {"old": b"o" * 32, "new": b"n" * 32}
OLD, NEW = Envelope.of(KEYS, "old"), Envelope.of(KEYS, "new")
TOKEN, KEY = SealedFor("token:{id}"), SealedFor("key:{kid}")


class Key(BaseModel):
    kid: str
    sealed: Annotated[Sealed, KEY]


class Safe(Document):
    note: str = ""
    token: Annotated[Sealed | None, TOKEN] = None
    keys: list[Key] = []
    by_name: dict[str, Key] = {}


class Unmarked(Document):
    token: Sealed


def safe(**fields: Any) -> Safe:
    made = Safe(**fields)
    keys = [Key(kid=kid, sealed=OLD.seal(kid.encode(), KEY.context(kid=kid))) for kid in "abc"]
    token = OLD.seal(b"secret", TOKEN.context(id=made.id))
    return made.model_copy(update={"token": token, "keys": keys[:2], "by_name": {"c": keys[2]}})


@pytest.fixture
async def safes(database) -> Collection[Safe]:
    made: Collection[Safe] = Collection(database, "safes", Safe, kind="safe")
    await made.ensure()
    return made


@pytest.fixture
async def begun(database, redis_client) -> Any:
    """Starts an attempt at a rewrap, without a queue."""
    executions = Executions(database, redis_client, "kit", [rewrap_task("kit", lambda parts: parts)])
    await executions.ensure()
    made = await executions.create("rewrap-kit-secrets", {"key": "new"})

    async def begin() -> Run:
        attempt = (await executions.get(made.id)).attempt + 1
        return Run(executions, await executions.begin(made.id, attempt, "here"))

    return begin


def test_sealed_values_are_found_wherever_they_lie_each_with_its_context():
    document = safe(id="one")
    assert {context for _, context in sealed_in(document)} == {"token:one", "key:a", "key:b", "key:c"}
    assert all(OLD.opens(sealed, context) for sealed, context in sealed_in(document))
    assert with_each_sealed(document, lambda sealed, _: sealed) is document
    rewrapped = with_each_sealed(document, NEW.rewrap)
    assert {sealed.master_key_id for sealed, _ in sealed_in(rewrapped)} == {"new"}
    assert {sealed.master_key_id for sealed, _ in sealed_in(document)} == {"old"}, "the document read is not touched"


def test_a_field_without_a_mark_is_told():
    assert dict(sealed_fields(Safe)) == {"token": TOKEN, "keys.sealed": KEY, "by_name.sealed": KEY}
    assert dict(sealed_fields(Unmarked)) == {"token": None}
    with pytest.raises(TypeError, match="SealedFor"):
        list(sealed_in(Unmarked(token=OLD.seal(b"", "x"))))


async def test_a_rewrap_is_no_change_of_the_document(safes, begun):
    documents = [(await safes.insert(safe(scope=scope)))[0] for scope in ("-", "-", "elsewhere")]
    values = SealedValues(NEW, [safes])
    assert (await values.census()).counts == {"old": 12}
    assert await values.rewrap(await begun()) == {"rewrapped": 12, "values": {"new": 12}}
    for document in documents:
        present = await safes.get(document.id)
        assert (present.etag, present.update_time) == (document.etag, document.update_time)
        assert NEW.open(present.token, TOKEN.context(id=document.id)) == b"secret"
        changed = await safes.replace(document.model_copy(update={"note": "an editor's"}))
        with pytest.raises(StaleEtag):
            await safes.replace(document)
        assert changed.note == "an editor's"
    assert (await values.census()).counts == {"old": 12}, "editors who had read before brought the old form back"
    assert (await values.rewrap(await begun()))["values"] == {"new": 12}
    assert {(await safes.get(document.id)).note for document in documents} == {"an editor's"}


async def test_edits_beside_a_rewrap_are_not_lost(safes, begun):
    ids = [(await safes.insert(safe()))[0].id for _ in range(10)]
    values = SealedValues(NEW, [safes])
    editing = True

    async def edit(id: str) -> int:
        edits = 0
        while editing:
            await safes.change(id, lambda old: old.model_copy(update={"note": old.note + "."}))
            edits += 1
        return edits

    editors = [asyncio.create_task(edit(id)) for id in ids]
    await asyncio.sleep(0.05)
    rewrapping = asyncio.create_task(values.rewrap(await begun()))
    await asyncio.wait([rewrapping], timeout=3)
    editing = False
    edits = await asyncio.gather(*editors)
    await rewrapping
    assert (await values.census()).counts == {"new": 40}
    assert [len((await safes.get(id)).note) for id in ids] == edits


async def test_a_value_that_nothing_opens_is_named_and_nothing_is_begun(safes, begun):
    stranger = Envelope.of({"gone": b"g" * 32}, "gone")
    await safes.insert(safe(id="good"))
    await safes.insert(Safe(id="bad", token=stranger.seal(b"x", TOKEN.context(id="bad"))))
    await safes.insert(Safe(id="moved", token=OLD.seal(b"x", TOKEN.context(id="another"))))
    values = SealedValues(NEW, [safes])
    assert sorted((await values.census()).unreadable) == ["safes/bad", "safes/moved"]
    with pytest.raises(FailedPrecondition, match="2 sealed values here .*safes/bad"):
        await values.rewrap(await begun())
    assert (await safes.get("good")).token.master_key_id == "old"


async def test_a_worker_with_another_current_key_does_not_rewrap(safes, begun, monkeypatch):
    monkeypatch.setattr("cloudly_kit.sealed_values.FOLLOWED_SECONDS", 0)
    with pytest.raises(FailedPrecondition, match="master key old, not with new"):
        await SealedValues(OLD, [safes]).rewrap(await begun())
