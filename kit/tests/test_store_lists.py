"""Lists: pages that neither skip nor repeat, orders, filters, and what is said about broken ones."""

import base64
import contextlib
import string
from datetime import UTC, datetime
from enum import IntEnum

import orjson
import pytest
from cloudly_kit.errors import InvalidArgument, InvalidPageToken
from cloudly_kit.store import Choice, Collection, Document, Index, PageRequest
from cloudly_kit.store.filtering import Filters, parse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


class State(IntEnum):
    ASHORE = 1
    AT_SEA = 2


class Boat(Document):
    name: str
    crew: int = 0
    leaking: bool = False
    state: State = State.ASHORE
    launched_time: datetime | None = None
    crews: list[str] = []


STATES = {state.name: state.value for state in State}


@pytest.fixture
async def fleet(database):
    collection = Collection(
        database,
        "boats",
        Boat,
        kind="boat",
        indexes=[Index("scope", "state")],
        orderable=("name", "crew", "launched_time"),
        filterable={
            "name": "name",
            "crew": "crew",
            "leaking": "leaking",
            "state": Choice("state", STATES),
            "launched_time": "launched_time",
            "crews": "crews",
        },
    )
    await collection.ensure()
    return collection


async def walk(fleet, scopes, **parts):
    """All names of a list, page by page."""
    names, token = [], ""
    while True:
        page = await fleet.page(scopes, PageRequest(page_token=token, **parts))
        names += [boat.name for boat in page.items]
        token = page.next_page_token
        if not token:
            return names


async def names(fleet, filter):
    return await walk(fleet, ["-"], filter=filter)


rows = st.lists(
    st.tuples(st.sampled_from("ns"), st.integers(0, 3), st.sampled_from([None, 1, 2])), min_size=0, max_size=14
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=rows,
    size=st.integers(1, 5),
    field=st.sampled_from(["name", "crew", "launched_time"]),
    descending=st.booleans(),
    scopes=st.permutations(["n", "s"]),
)
async def test_a_walk_meets_every_document_once_in_order(fleet, rows, size, field, descending, scopes):
    await fleet.database.raw("boats").delete_many({})
    boats = []
    for number, (scope, crew, year) in enumerate(rows):
        launched = datetime(2020 + year, 1, 1, tzinfo=UTC) if year else None
        boats.append((await fleet.insert(Boat(scope=scope, name=f"b{number}", crew=crew, launched_time=launched)))[0])

    def key(boat):
        value = getattr(boat, field)
        return (value is not None, value or 0, boat.id) if field != "name" else (boat.name,)

    expected = []
    for scope in scopes:
        expected += sorted((boat for boat in boats if boat.scope == scope), key=key, reverse=descending)
    walked = await walk(fleet, scopes, page_size=size, order_by=field + (" desc" if descending else ""))
    assert walked == [boat.name for boat in expected]


async def test_inserts_and_deletes_between_pages_neither_skip_nor_repeat_others(fleet):
    for letter in "bdfhjl":
        await fleet.insert(Boat(id=f"id-{letter}", name=letter))
    first = await fleet.page(["-"], PageRequest(page_size=3))
    assert [boat.name for boat in first.items] == ["b", "d", "f"]
    await fleet.insert(Boat(name="a"))
    await fleet.insert(Boat(name="g"))
    await fleet.delete("id-f")
    await fleet.delete("id-h")
    second = await fleet.page(["-"], PageRequest(page_size=3, page_token=first.next_page_token))
    assert [boat.name for boat in second.items] == ["g", "j", "l"]
    assert second.next_page_token == ""


async def test_page_sizes_have_a_default_and_a_bound(fleet):
    await fleet.database.raw("boats").insert_many(
        [
            {"_id": f"{n:04}", "scope": "-", "name": f"{n:04}", "etag": "x", "live": True, "schema": 1}
            for n in range(230)
        ]
    )
    assert len((await fleet.page(["-"], PageRequest())).items) == 50
    assert len((await fleet.page(["-"], PageRequest(page_size=1000))).items) == 200
    with pytest.raises(InvalidArgument, match="page_size"):
        await fleet.page(["-"], PageRequest(page_size=-1))


async def test_a_token_serves_only_the_list_it_came_from(fleet):
    for letter in "abc":
        await fleet.insert(Boat(name=letter))
    asked = {"page_size": 1, "filter": "crew = 0", "order_by": "name desc", "caller": "anna"}
    token = (await fleet.page(["-"], PageRequest(**asked))).next_page_token
    assert (await fleet.page(["-"], PageRequest(**asked | {"page_size": 2, "page_token": token}))).items
    for other in ({"filter": ""}, {"order_by": "name"}, {"caller": "bert"}, {"page_token": "x" + token}):
        with pytest.raises(InvalidPageToken):
            await fleet.page(["-"], PageRequest(**{**asked, "page_token": token, **other}))
    with pytest.raises(InvalidPageToken):
        await fleet.page(["-", "n"], PageRequest(**asked | {"page_token": token}))


async def test_a_token_cannot_smuggle_an_operator_into_a_query(fleet):
    for letter in "abc":
        await fleet.insert(Boat(name=letter))
    token = (await fleet.page(["-"], PageRequest(page_size=1))).next_page_token
    content = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    for place in ([{"$ne": 1}, "x"], ["a", {"$gt": ""}], ["a"], [[], "x"]):
        forged = base64.urlsafe_b64encode(orjson.dumps(content | {"k": place})).decode().rstrip("=")
        with pytest.raises(InvalidPageToken):
            await fleet.page(["-"], PageRequest(page_size=1, page_token=forged))


async def test_only_declared_fields_order(fleet):
    for order in ("etag", "name up", "name desc, crew", "$where"):
        with pytest.raises(InvalidArgument, match="order_by: must be one of name, crew, launched_time"):
            await fleet.page(["-"], PageRequest(order_by=order))


@pytest.fixture
async def harbour(fleet):
    await fleet.insert(Boat(name="Ada", crew=3, leaking=True, crews=["x", "y"], labels={"env": "prod", "a.b/c": "1"}))
    await fleet.insert(Boat(name="Adam", crew=5, state=State.AT_SEA, launched_time=datetime(2026, 1, 31, tzinfo=UTC)))
    await fleet.insert(Boat(name='B"o"b', crew=7, labels={"env": "test"}))
    return fleet


@pytest.mark.parametrize(
    ("filter", "found"),
    [
        ("", ["Ada", "Adam", 'B"o"b']),
        ('name = "Ada"', ["Ada"]),
        ("name = Ada", ["Ada"]),
        ("name != Ada", ["Adam", 'B"o"b']),
        ('name : "Ada"', ["Ada", "Adam"]),
        ("name:Ada", ["Ada", "Adam"]),
        (r'name = "B\"o\"b"', ['B"o"b']),
        ("name = 'B\"o\"b'", ['B"o"b']),
        ("name : '.'", []),
        ("crew = 3", ["Ada"]),
        ("crew > 3 AND crew <= 7", ["Adam", 'B"o"b']),
        ("crew != 3 AND crew != 5", ['B"o"b']),
        ("crew = 3 AND crew = 5", []),
        ("leaking = true", ["Ada"]),
        ("leaking = false AND state = AT_SEA", ["Adam"]),
        ("state != AT_SEA", ["Ada", 'B"o"b']),
        ("launched_time >= 2026-01-30T12:00:00Z", ["Adam"]),
        ("launched_time > 2026-01-31T01:00:00+00:00", []),
        ("crews : y", ["Ada"]),
        ("labels.env = prod", ["Ada"]),
        ("labels.env != prod", ["Adam", 'B"o"b']),
        ("labels:env", ["Ada", 'B"o"b']),
        ('labels."a.b/c" = "1"', ["Ada"]),
    ],
)
async def test_a_filter_finds(harbour, filter, found):
    assert await names(harbour, filter) == found


@pytest.mark.parametrize(
    ("filter", "position", "words"),
    [
        ("etag = 1", 0, "cannot be filtered by; these can: crew, crews, labels"),
        ("crew = 3 OR crew = 4", 9, "expected AND"),
        ("crew = 3 AND", 12, "missing"),
        ("crew =", 6, "expected a value"),
        ("crew", 4, "expected an operator"),
        ("crew 3", 5, "expected an operator"),
        ("crew = three", 0, "is not a number"),
        ("leaking = yes", 0, "is not true or false"),
        ("leaking > true", 0, "does not know '>'"),
        ("state = LOST", 0, "is none of ASHORE, AT_SEA"),
        ("launched_time > 2026-01-31T00:00:00", 0, "is not a time"),
        ("name = 1 AND crew > 'x'", 13, "is not a number"),
        ("(crew = 3)", 0, "'(' is not understood"),
        ('name = "open', 7, "is not understood"),
        ("labels = x", 0, "labels are asked for"),
        ("labels.$where = x", 0, ""),
        ("name.$gt = x", 0, ""),
    ],
)
async def test_a_broken_filter_is_refused_with_its_position(harbour, filter, position, words):
    with pytest.raises(InvalidArgument) as refused:
        await names(harbour, filter)
    assert [violation.field for violation in refused.value.violations] == ["filter"]
    assert words in refused.value.message
    if words:
        assert f"at position {position}:" in refused.value.message


@given(st.text(alphabet=string.printable + "äß€\x00", max_size=40))
def test_any_text_is_a_filter_or_is_refused(text):
    with contextlib.suppress(InvalidArgument):
        query = Filters(Boat, ("name", "crew", "launched_time")).query(text)
        assert all(not path.startswith("$") or path == "$and" for path in query)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["name", "crew", "labels.env"]),
            st.sampled_from(["=", "!=", "<", "<=", ">", ">=", ":"]),
            st.text(max_size=12),
        ),
        max_size=4,
    )
)
def test_what_is_quoted_is_read_as_it_was_meant(conditions):
    text = " AND ".join(
        f'{field} {operator} "{value.replace(chr(92), chr(92) * 2).replace(chr(34), chr(92) + chr(34))}"'
        for field, operator, value in conditions
    )
    assert [(one.field, one.operator, one.value) for one in parse(text)] == conditions
