"""Leases and hints, and what they do while Redis is away."""

import asyncio

import pytest
import redis.asyncio
from cloudly_kit.hints import Hints
from cloudly_kit.leases import Lease, LeaseLost


async def test_a_lease_has_one_owner_until_it_runs_out(redis_client):
    one, two = (Lease(redis_client, "lease", owner, 0.2) for owner in ("one", "two"))
    assert await one.acquire()
    assert not await two.acquire()
    await two.release()
    assert await one.renew()
    await one.release()
    assert await two.acquire()
    assert not await one.renew()


async def test_a_held_lease_is_renewed_and_given_back(redis_client):
    one, two = (Lease(redis_client, "lease", owner, 0.3) for owner in ("one", "two"))
    async with one.held():
        await asyncio.sleep(0.8)
        assert not await two.acquire()
    assert await two.acquire()


async def test_whoever_lost_the_lease_is_stopped(redis_client):
    lease = Lease(redis_client, "lease", "one", 0.3)
    with pytest.raises(LeaseLost):
        async with lease.held():
            await redis_client.set("lease", "two")
            await asyncio.sleep(20)
    assert await redis_client.get("lease") == b"two"


async def test_what_the_holder_raises_is_raised_as_it_is(redis_client):
    lease = Lease(redis_client, "lease", "one", 0.3)
    with pytest.raises(ValueError, match="mine"):
        async with lease.held():
            raise ValueError("mine")
    with pytest.raises(TimeoutError):
        async with lease.held():
            raise TimeoutError
    assert await redis_client.get("lease") is None


async def test_redis_away_gives_no_lease_and_ends_none_before_its_time(own_redis):
    client = redis.asyncio.Redis.from_url(own_redis.url)
    lease = Lease(client, "lease", "one", 0.6)
    assert await lease.acquire()
    await asyncio.to_thread(own_redis.kill)
    assert await lease.renew()
    assert not await lease.acquire()
    await asyncio.sleep(0.7)
    assert not await lease.renew()
    await lease.release()
    await client.aclose()


async def test_hints_come_again_after_redis_was_away(own_redis):
    client = redis.asyncio.Redis.from_url(own_redis.url)
    hints = Hints(client)
    heard = hints.subscribe("clusters")
    async with asyncio.timeout(20):
        assert await anext(heard) == ""
        await hints.publish("clusters", "c1")
        assert await anext(heard) == "c1"
        await asyncio.to_thread(own_redis.kill)
        await hints.publish("clusters", "lost")
        await asyncio.to_thread(own_redis.start)
        assert await anext(heard) == ""
        await hints.publish("clusters", "c2")
        assert await anext(heard) == "c2"
    await heard.aclose()
    await client.aclose()
