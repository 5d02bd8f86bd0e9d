"""Revoked tokens are refused whatever becomes of Redis."""

import asyncio
import contextlib
from typing import Any

import pytest
import redis.asyncio
import redis.exceptions
from cloudly.auth.v1 import auth_pb2
from cloudly_auth.config import Settings
from cloudly_auth.main import serve
from cloudly_kit.errors import DomainError, PermissionDenied, TokenRevoked
from cloudly_kit.identity import REVOKED_KEY
from cloudly_kit.testing import Redis, ServiceHarness
from pydantic import SecretStr


async def logged_out(auth) -> auth_pb2.LoginResponse:
    session = await auth.login()
    await auth.auth(session.access_token).Logout(auth_pb2.LogoutRequest())
    return session


async def announced(client: redis.asyncio.Redis, sid: str, seconds: float = 15) -> int:
    """How long the announcement lives, once it is there."""
    left = -1
    async with asyncio.timeout(seconds):
        while left < 0:
            # A Redis that has just started answers that it is still loading.
            with contextlib.suppress(redis.exceptions.ConnectionError):
                left = int(await client.ttl(REVOKED_KEY + sid))
            await asyncio.sleep(0.05)
    return left


@pytest.fixture
def own_settings(settings: Settings, own_redis: Redis) -> Settings:
    return settings.model_copy(update={"redis_url": SecretStr(own_redis.url)})


@pytest.fixture
async def own_client(own_redis: Redis):
    client = redis.asyncio.Redis.from_url(own_redis.url)
    yield client
    await client.aclose()


async def test_a_revocation_is_announced_as_long_as_a_token_could_live(auth, harness: ServiceHarness):
    client = redis.asyncio.Redis.from_url(harness.redis_url)
    session = await logged_out(auth)
    assert 600 <= await announced(client, session.identity.session_id) <= 660
    legacy = await auth.login(audience="cloudly-legacy")
    await auth.auth(legacy.access_token).Logout(auth_pb2.LogoutRequest())
    assert 86_400 <= await announced(client, legacy.identity.session_id) <= 86_500
    await client.aclose()


async def test_a_wiped_redis_is_told_again(
    harness: ServiceHarness, own_settings: Settings, own_client: redis.asyncio.Redis, caller_of
):
    async with harness.running("auth", serve, own_settings):
        session = await logged_out(caller_of)
        await announced(own_client, session.identity.session_id)
        await own_client.flushall()
        await announced(own_client, session.identity.session_id)
        with pytest.raises(TokenRevoked):
            await caller_of.identity(session.access_token)


async def test_without_redis_revoked_tokens_are_refused_living_ones_work_and_people_log_in_and_out(
    harness: ServiceHarness, own_settings: Settings, own_redis: Redis, own_client: redis.asyncio.Redis, caller_of
):
    async with harness.running("auth", serve, own_settings):
        over, living = await logged_out(caller_of), await caller_of.login()
        own_redis.kill()
        with pytest.raises(TokenRevoked):
            await caller_of.identity(over.access_token)
        assert (await caller_of.identity(living.access_token)).name == "root"
        assert (await caller_of.refresh(living.refresh_token)).access_token
        meanwhile = await logged_out(caller_of)
        with pytest.raises(DomainError):
            await caller_of.refresh(meanwhile.refresh_token)
        own_redis.start()
        await announced(own_client, meanwhile.identity.session_id)
        with pytest.raises(TokenRevoked):
            await caller_of.identity(meanwhile.access_token)


async def test_a_start_announces_what_an_empty_redis_does_not_know(
    harness: ServiceHarness, replica: Any, own_redis: Redis, own_client: redis.asyncio.Redis, caller_of
):
    async with harness.running("auth", serve, replica(1)):
        session = await logged_out(caller_of.at(replica(1)))
    other = replica(2, redis_url=SecretStr(own_redis.url))
    async with harness.running("auth", serve, other):
        await announced(own_client, session.identity.session_id)


async def test_services_may_ask_about_a_revocation_and_nobody_else(auth):
    session = await logged_out(auth)
    for service in ("clusters", "registry", "backups", "baseos", "tasks", "gateway"):
        stub = auth.auth(await auth.service(service))
        for sid, revoked in ((session.identity.session_id, True), ("unknown", False)):
            answer = await stub.CheckRevocation(auth_pb2.CheckRevocationRequest(session_id=sid))
            assert answer.revoked is revoked
    with pytest.raises(PermissionDenied):
        await auth.auth(await auth.admin()).CheckRevocation(auth_pb2.CheckRevocationRequest(session_id="unknown"))
