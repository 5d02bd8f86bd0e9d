"""Limits on attempts to log in."""

import asyncio

import pytest
import redis.asyncio
from cloudly_auth.attempts import (
    AT_ONCE_PER_PAIR,
    PER_ACCOUNT,
    PER_ACCOUNT_AND_ADDRESS,
    PER_ADDRESS,
    SECRETS_PER_ADDRESS,
    Attempts,
)
from cloudly_kit.errors import CredentialsInvalid, RateLimited, Unavailable
from cloudly_kit.testing import Redis

PAIR, ADDRESS, ACCOUNT = PER_ACCOUNT_AND_ADDRESS.amount, PER_ADDRESS.amount, PER_ACCOUNT.amount
SECRETS = SECRETS_PER_ADDRESS.amount


async def fail(attempts: Attempts, account: str, address: str, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(CredentialsInvalid):
            async with attempts.attempt(account=account, address=address):
                raise CredentialsInvalid


async def succeed(attempts: Attempts, account: str, address: str) -> None:
    async with attempts.attempt(account=account, address=address):
        pass


async def refused(attempts: Attempts, account: str, address: str) -> RateLimited:
    with pytest.raises(RateLimited) as caught:
        await succeed(attempts, account, address)
    return caught.value


@pytest.fixture
def attempts(redis_client: redis.asyncio.Redis) -> Attempts:
    return Attempts(redis_client)


async def test_after_ten_failures_the_pair_of_account_and_address_waits(attempts: Attempts):
    await fail(attempts, "ada", "192.0.2.1", PAIR)
    error = await refused(attempts, "ada", "192.0.2.1")
    assert 1 <= int(error.metadata["retry_after_seconds"]) <= 300
    await succeed(attempts, "ada", "192.0.2.2")
    await succeed(attempts, "bob", "192.0.2.1")


async def test_a_success_forgets_the_failures_before_it(attempts: Attempts):
    for _ in range(3):
        await fail(attempts, "ada", "192.0.2.1", PAIR - 1)
        await succeed(attempts, "ada", "192.0.2.1")


async def test_successes_and_faults_of_ours_do_not_count(attempts: Attempts):
    for _ in range(ADDRESS + 5):
        await succeed(attempts, "ada", "192.0.2.1")
    for _ in range(PAIR + 5):
        with pytest.raises(Unavailable):
            async with attempts.attempt(account="ada", address="192.0.2.1"):
                raise Unavailable("database")
    await succeed(attempts, "ada", "192.0.2.1")


async def test_an_address_that_tries_many_accounts_waits(attempts: Attempts):
    for number in range(ADDRESS):
        await fail(attempts, f"user{number}", "192.0.2.1")
    await refused(attempts, "somebody", "192.0.2.1")
    await succeed(attempts, "somebody", "192.0.2.2")


async def test_who_logged_in_from_an_address_is_not_shut_out_by_others_there(attempts: Attempts):
    await succeed(attempts, "ada", "192.0.2.1")
    for number in range(ADDRESS):
        await fail(attempts, f"user{number}", "192.0.2.1")
    await succeed(attempts, "ada", "192.0.2.1")
    # By own failures, as everybody.
    await fail(attempts, "ada", "192.0.2.1", PAIR)
    await refused(attempts, "ada", "192.0.2.1")


@pytest.mark.parametrize("redis_is", ["there", "away"])
async def test_wrong_secrets_are_refused_after_a_while_and_right_ones_never(own_redis: Redis, redis_is: str):
    client = redis.asyncio.Redis.from_url(own_redis.url)
    attempts = Attempts(client)
    if redis_is == "away":
        own_redis.kill()

    async def wrong() -> None:
        async with attempts.secret(address="192.0.2.1"):
            raise CredentialsInvalid

    for _ in range(SECRETS):
        with pytest.raises(CredentialsInvalid):
            await wrong()
    for _ in range(3):
        with pytest.raises(RateLimited) as caught:
            await wrong()
        assert 1 <= int(caught.value.metadata["retry_after_seconds"]) <= 300
        async with attempts.secret(address="192.0.2.1"):
            pass
    # Nor do they keep people from logging in there.
    await succeed(attempts, "ada", "192.0.2.1")
    await client.aclose()


async def test_all_ipv6_addresses_of_one_household_are_one_address(attempts: Attempts):
    for number in range(ADDRESS):
        await fail(attempts, f"user{number}", f"2001:db8:1:2::{number:x}")
    await refused(attempts, "somebody", "2001:db8:1:2:ffff::1")
    await succeed(attempts, "somebody", "2001:db8:1:3::1")


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ("ipv4:192.0.2.1:50000", "192.0.2.1"),
        ("ipv6:%5B2001:db8::1%5D:50000", "2001:db8::2"),
        ("::ffff:192.0.2.1", "ipv4:192.0.2.1:1"),
        ("unix:", "unix:"),
    ],
)
async def test_another_connection_is_no_other_address(attempts: Attempts, one: str, same: str):
    await fail(attempts, "ada", one, PAIR)
    await refused(attempts, "ada", same)


async def test_failures_from_everywhere_do_not_lock_the_owner_out_of_a_known_address(attempts: Attempts):
    await succeed(attempts, "admin", "192.0.2.1")
    for number in range(ACCOUNT // PAIR):
        await fail(attempts, "admin", f"198.51.100.{number}", PAIR)
    await refused(attempts, "admin", "203.0.113.9")
    await succeed(attempts, "admin", "192.0.2.1")


async def test_of_a_thousand_guesses_sent_together_few_are_looked_at(attempts: Attempts):
    looked = 0

    async def guess() -> None:
        nonlocal looked
        async with attempts.attempt(account="ada", address="192.0.2.1"):
            looked += 1
            await asyncio.sleep(0.01)
            raise CredentialsInvalid

    answers = await asyncio.gather(*(guess() for _ in range(1000)), return_exceptions=True)
    assert looked < PAIR + AT_ONCE_PER_PAIR
    assert sum(isinstance(answer, RateLimited) for answer in answers) == 1000 - looked


async def test_many_right_logins_at_once_are_all_admitted(attempts: Attempts):
    await asyncio.gather(*(succeed(attempts, "pipeline", "192.0.2.1") for _ in range(200)))


async def test_without_redis_logins_work_and_this_process_counts_by_itself(own_redis: Redis):
    client = redis.asyncio.Redis.from_url(own_redis.url)
    attempts = Attempts(client)
    await succeed(attempts, "ada", "192.0.2.1")
    own_redis.kill()
    await succeed(attempts, "ada", "192.0.2.1")
    await fail(attempts, "ada", "192.0.2.1", PAIR)
    await refused(attempts, "ada", "192.0.2.1")
    await succeed(attempts, "bob", "192.0.2.1")
    await client.aclose()


async def test_what_was_typed_as_a_name_is_no_key_in_redis(attempts: Attempts, redis_client: redis.asyncio.Redis):
    await fail(attempts, "my-secret-typed-into-the-wrong-field", "192.0.2.1")
    await succeed(attempts, "my-secret-typed-into-the-wrong-field", "192.0.2.1")
    keys = [key.decode() for key in await redis_client.keys()]
    assert keys
    assert not any("secret" in key for key in keys)
