"""Whether sessions were revoked, asked of Redis together and of auth in its absence."""

import asyncio

import pytest
from cloudly_kit import revocation_check
from cloudly_kit.errors import Unavailable
from cloudly_kit.identity import REVOKED_KEY
from cloudly_kit.revocation_check import RevocationCheck
from redis.asyncio import Redis


class Auth:
    """Knows which sessions were ended, and counts the questions."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.ended = {"ended"}
        self.away = False

    async def __call__(self, sid: str) -> bool:
        self.asked.append(sid)
        if self.away:
            raise Unavailable("auth")
        return sid in self.ended


async def trips(redis: Redis) -> int:
    return int((await redis.info("commandstats")).get("cmdstat_mget", {}).get("calls", 0))


async def test_calls_that_come_together_share_one_trip_and_each_gets_its_own_answer(redis_client):
    await redis_client.set(f"{REVOKED_KEY}ended", "1")
    auth = Auth()
    check = RevocationCheck(redis_client, auth)
    before = await trips(redis_client)
    sids = [*(f"s{number}" for number in range(50)), "ended", "ended"]
    assert await asyncio.gather(*map(check, sids)) == [sid == "ended" for sid in sids]
    assert await trips(redis_client) == before + 1
    assert await check("ended")
    assert await trips(redis_client) == before + 2
    assert auth.asked == []


async def test_a_revocation_counts_from_the_next_question_on(redis_client):
    check = RevocationCheck(redis_client, Auth())
    assert not await check("sid")
    await redis_client.set(f"{REVOKED_KEY}sid", "1")
    assert await check("sid")


async def test_a_caller_that_goes_away_takes_the_answer_from_nobody(redis_client):
    check = RevocationCheck(redis_client, Auth())
    first, second = (asyncio.create_task(check(sid)) for sid in ("one", "two"))
    await asyncio.sleep(0)
    first.cancel()
    assert await second is False
    assert first.cancelled()


async def test_auth_answers_while_redis_is_away_and_is_not_asked_with_every_call(own_redis, monkeypatch):
    monkeypatch.setattr(revocation_check, "FRESH_SECONDS", 1_000)
    auth = Auth()
    async with Redis.from_url(own_redis.url) as client:
        check = RevocationCheck(client, auth)
        own_redis.kill()
        for _ in range(3):
            assert await asyncio.gather(check("ended"), check("other")) == [True, False]
        assert sorted(set(auth.asked)) == ["ended", "other"]
        assert len(auth.asked) == 2
        auth.ended.add("other")
        assert not await check("other")
        monkeypatch.setattr(revocation_check, "FRESH_SECONDS", 0)
        assert await asyncio.gather(*(check("other") for _ in range(20))) == [True] * 20
        assert len(auth.asked) == 3, "calls that come together ask once"
        assert not await check("living")
        auth.away = True
        monkeypatch.setattr(revocation_check, "KEPT_SECONDS", 1_000)
        assert not await check("living"), "auth restarts"
        monkeypatch.setattr(revocation_check, "KEPT_SECONDS", 0)
        with pytest.raises(Unavailable):
            await check("living")
        assert await check("ended")
        with pytest.raises(Unavailable):
            await check("unknown")
        own_redis.start()
        async with asyncio.timeout(20):
            while await check("ended"):  # Redis has forgotten; auth tells it again when it is back
                await asyncio.sleep(0.05)
