"""What the collector decides by, as properties; and a collector that is killed between its steps."""

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta

import pytest
from cloudly_registry.cleanup import Cleanup
from cloudly_registry.collector import Collector
from cloudly_registry.marking import Node, in_use, outermost_first
from cloudly_registry.references import digest_of
from cloudly_registry.retention import RetentionRule, Tagged, plan
from cloudly_registry.testing import Client, Image, Registry
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DIGESTS = st.sampled_from([f"sha256:{n}" for n in range(8)])
RULES = st.lists(
    st.builds(
        RetentionRule,
        tag_pattern=st.sampled_from(["*", "ci-*", "v?"]),
        keep_last=st.integers(0, 3),
        keep_days=st.integers(0, 5),
    ),
    max_size=3,
)
VERSIONS = st.lists(
    st.builds(
        Tagged,
        tag=st.sampled_from([*(f"ci-{n}" for n in range(5)), "v1", "v2", "latest"]),
        digest=DIGESTS,
        push_time=st.integers(0, 200).map(lambda hours: NOW - timedelta(hours=hours)),
        needed=st.frozensets(DIGESTS, max_size=2),
    ),
    max_size=8,
    unique_by=lambda version: version.tag,
)


@given(RULES, VERSIONS, st.frozensets(DIGESTS, max_size=3))
def test_rules_never_let_go_what_is_pinned_newest_young_or_not_meant(
    rules: list[RetentionRule], versions: list[Tagged], pins: frozenset[str]
) -> None:
    gone = plan(rules, versions, pins, NOW)
    newest_first = sorted(versions, key=lambda version: (version.push_time, version.tag), reverse=True)
    assert all(outdated.version != newest_first[0] for outdated in gone)
    for outdated in gone:
        version = outdated.version
        assert not pins & {version.digest, *version.needed}
        matching = [rule for rule in rules if rule.tag_pattern in ("*", version.tag[:3] + "*", version.tag[0] + "?")]
        rule = next(rule for rule in matching if rule.tag_pattern != "v?" or len(version.tag) == 2)
        assert not rule.keep_days or version.push_time <= NOW - timedelta(days=rule.keep_days)
        newer = [other for other in newest_first if other.push_time > version.push_time and other.tag != version.tag]
        assert len(newer) >= min(rule.keep_last, 1)
    kept = [version for version in versions if version not in [outdated.version for outdated in gone]]
    assert plan([], versions, pins, NOW) == []
    again = {outdated.version.tag for outdated in plan(rules, kept, pins, NOW)}
    assert again == set(), "what was kept once is kept again at the same time"


@given(
    st.dictionaries(st.integers(0, 9), st.tuples(st.lists(st.integers(0, 9), max_size=3), st.integers(-1, 9))),
    st.sets(st.integers(0, 9), max_size=3),
)
def test_what_is_in_use_is_the_least_closed_set(drawn: dict[int, tuple[list[int], int]], roots: set[int]) -> None:
    nodes = {
        str(n): Node(tuple(map(str, children)), str(subject) if subject >= 0 else "")
        for n, (children, subject) in drawn.items()
    }
    used = in_use(nodes, map(str, roots))
    expected = {str(root) for root in roots if str(root) in nodes}
    while True:
        more = {child for digest in expected for child in nodes[digest].children if child in nodes}
        more |= {digest for digest, node in nodes.items() if node.subject in expected}
        if more <= expected:
            break
        expected |= more
    assert used == expected


COLLECTOR_PROCESS = """
import asyncio
from datetime import timedelta
from cloudly_kit.runtime import Runtime
from cloudly_registry import main
from cloudly_registry.config import Settings
from cloudly_registry.quarantine import Quarantine
from dataclasses import replace

async def tell(*_): pass

async def collect():
    settings = Settings()
    async with Runtime("registry", settings) as runtime:
        collector = (await main.build(runtime, settings)).collector
        quarantine = Quarantine(collector.store, timedelta(0))
        collector.manifests._quarantine = quarantine
        for _ in range(8):
            await replace(collector, grace=timedelta(0), quarantine=quarantine).run(tell)
            await asyncio.sleep(0.02)

asyncio.run(collect())
"""


@pytest.mark.parametrize("place", ["after_manifest", "after_expire", "after_links", "after_blob"])
async def test_a_collector_that_is_killed_leaves_nothing_corrupt(
    client: Client, registry: Registry, collector: Collector, cleanup: Cleanup, name: str, place: str
) -> None:
    live, dead = Image(b"live", b"shared"), Image(place.encode(), b"shared")
    await live.push(client, name, "v1")
    await dead.push(client, name)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        COLLECTOR_PROCESS,
        env={
            **os.environ,
            **registry.settings.as_environment(),
            "CLOUDLY_CRASHPOINT": f"registry.collect.{place}",
        },
        stderr=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
    )
    _, told = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 137, told.decode()

    async def silent(*_: object) -> None:
        """Progress that nobody reads."""

    async with asyncio.timeout(30):
        while await collector.store.blob(digest_of(dead.layers[0])) is not None:
            await collector.store.database.raw("quarantine").update_many({}, {"$set": {"expire_time": NOW}})
            await collector.run(silent)
            await asyncio.sleep(0.3)
    await cleanup.run(silent)
    referenced = [
        await collector.store.blob_of_object(found.key) async for found in collector.objects.list("registry/blobs/")
    ]
    assert referenced
    assert None not in referenced, "the objects of what is gone are gone"
    assert (await client.call("GET", f"/v2/{name}/manifests/v1")).body == live.manifest
    for blob in live.blobs:
        assert (await client.call("GET", f"/v2/{name}/blobs/{digest_of(blob)}")).body == blob
    assert (await dead.push(client, name, "again")).status == 201
    assert (await client.call("GET", f"/v2/{name}/blobs/{digest_of(dead.layers[0])}")).body == dead.layers[0]


def test_what_goes_goes_from_the_outside_in():
    manifests = {"part": Node(), "index": Node(("part",)), "outer": Node(("index", "part")), "used": Node(("part",))}
    assert outermost_first(manifests, {"part", "index", "outer"}) == ["outer", "index", "part"]
