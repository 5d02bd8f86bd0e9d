"""Who is gone: the sweep, its patience, and what it does not believe."""

from datetime import UTC, datetime, timedelta

import pytest
from cloudly.baseos.v1.node_pb2 import JoinToken
from cloudly_baseos.join_tokens import JoinTokens
from cloudly_baseos.nodes import Nodes
from cloudly_baseos.presence import KEY, SINCE_KEY, Presence
from cloudly_baseos.store import OFFLINE, ONLINE, BaseosStore
from cloudly_kit.testing import Redis as RedisServer
from redis.asyncio import Redis
from redis.exceptions import RedisError

HEARTBEAT_SECONDS = 10


async def nothing_set(key: str) -> str:
    return ""


class House:
    """The domain, wired as main.py wires it, with one device."""

    def __init__(self, database, redis):
        self.redis = redis
        self.store = BaseosStore(database)
        self.tokens = JoinTokens(self.store, nothing_set)
        self.nodes = Nodes(self.store, self.tokens, Presence(redis, HEARTBEAT_SECONDS))

    async def open(self):
        await self.store.ensure()
        _, join_token = await self.tokens.create(JoinToken(), None)
        _, self.node_token = await self.nodes.register(
            "pi", join_token, hostname="", architecture="", runtime_info={"load": 1}
        )
        return self


@pytest.fixture
async def house(database, redis_client):
    return await House(database, redis_client).open()


def later(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def test_a_device_that_stays_away_is_offline_and_online_at_its_next_report(house):
    assert await house.nodes.mark_offline(datetime.now(UTC)) == []
    await house.redis.delete(KEY + "pi")
    gone = await house.nodes.mark_offline(later(31))
    assert [(node.node_id, node.state) for node in gone] == [("pi", OFFLINE)]
    assert await house.nodes.mark_offline(later(31)) == []
    await house.nodes.heartbeat("pi", house.node_token, {"load": 1})
    assert (await house.nodes.get("pi")).state == ONLINE


async def test_a_device_that_reports_stays_online(house):
    await house.nodes.mark_offline(datetime.now(UTC))
    await house.nodes.heartbeat("pi", house.node_token, {"load": 1})
    assert await house.nodes.mark_offline(later(3600)) == []


async def test_going_offline_leaves_the_etag_that_people_compare(house):
    before = await house.nodes.get("pi")
    await house.nodes.mark_offline(datetime.now(UTC))
    await house.redis.delete(KEY + "pi")
    await house.nodes.mark_offline(later(31))
    after = await house.nodes.get("pi")
    assert (after.state, after.wish_etag) == (OFFLINE, before.wish_etag)


async def test_an_emptied_redis_makes_nobody_offline_before_all_could_report(house):
    await house.nodes.mark_offline(datetime.now(UTC))
    await house.redis.flushall()
    assert await house.nodes.mark_offline(later(60)) == []
    assert await house.redis.exists(SINCE_KEY)
    assert len(await house.nodes.mark_offline(later(91))) == 1


async def test_without_redis_devices_still_report_and_nobody_is_judged(database, own_redis: RedisServer):
    house = await House(database, Redis.from_url(own_redis.url)).open()
    own_redis.kill()
    found = await house.nodes.heartbeat("pi", house.node_token, {"load": 2})
    assert found.runtime_info == {"load": 2}
    with pytest.raises(RedisError):
        await house.nodes.mark_offline(later(3600))
    assert (await house.nodes.get("pi")).state == ONLINE
    await house.redis.aclose()
