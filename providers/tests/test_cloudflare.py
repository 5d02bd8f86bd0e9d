"""Testing a connection to Cloudflare: kinds of tokens, their permissions, and a disturbed API."""

import pytest
from cloudly.common.v1 import connection_pb2 as pb
from cloudly_providers import cloudflare
from cloudly_providers.cloudflare import Cloudflare
from cloudly_providers.connection import try_connection
from cloudly_providers.errors import RateLimited
from cloudly_providers.testing.cloudflare import CloudflareFake, Token
from cloudly_providers.testing.server import Reply

PASSED, FAILED, NOT_CHECKED = pb.CHECK_OUTCOME_PASSED, pb.CHECK_OUTCOME_FAILED, pb.CHECK_OUTCOME_NOT_CHECKED
EDIT = "cloudflare-token-edit"


@pytest.fixture
def fake():
    with CloudflareFake() as running:
        running.add_zone("example.com")
        yield running


async def check(fake, token=EDIT):
    test = await try_connection("cloudflare", fake.api, lambda watch: cloudflare.check(token, fake.api, watch))
    assert token not in str(test)
    return test, (test.reachable, test.authenticated, test.permitted)


async def test_a_token_that_edits_dns_is_fine_and_no_record_is_made(fake):
    test, outcomes = await check(fake)
    assert (test.ok, outcomes, test.action) == (True, (PASSED, PASSED, PASSED), "")
    assert "example.com" in test.message
    assert all(not zone.records for zone in fake.zones.values())


async def test_a_token_of_an_account_is_fine_though_it_cannot_be_verified(fake):
    fake.tokens["of-account"] = Token(of_account=True)
    assert (await check(fake, "of-account"))[1] == (PASSED, PASSED, PASSED)


@pytest.mark.parametrize("token", ["unknown", "bad.characters!"])
async def test_what_is_no_token_is_not_authenticated(fake, token):
    test, outcomes = await check(fake, token)
    assert (test.ok, outcomes) == (False, (PASSED, FAILED, NOT_CHECKED))
    assert "Zone:Read and DNS:Edit" in test.action
    assert test.request_id == "ray-2"


@pytest.mark.parametrize("status", ["disabled", "expired"])
async def test_a_token_that_has_ended_is_not_authenticated(fake, status):
    fake.tokens["ended"] = Token(status=status)
    test, outcomes = await check(fake, "ended")
    assert outcomes == (PASSED, FAILED, NOT_CHECKED)
    assert status in test.message


@pytest.mark.parametrize("may", [(), ("zone:read",), ("zone:read", "dns:read"), ("dns:edit",)])
async def test_a_token_that_may_too_little_is_not_permitted(fake, may):
    fake.tokens["weak"] = Token(frozenset(may))
    test, outcomes = await check(fake, "weak")
    assert (test.ok, outcomes) == (False, (PASSED, PASSED, FAILED))
    assert "Zone:Read and DNS:Edit" in test.action


async def test_a_token_without_zones_is_not_permitted(fake):
    fake.zones.clear()
    test, outcomes = await check(fake)
    assert outcomes == (PASSED, PASSED, FAILED)
    assert "no zone" in test.message


async def test_zones_are_read_page_by_page(fake):
    for number in range(120):
        fake.add_zone(f"z{number}.example")
    async with Cloudflare(EDIT, fake.api) as client:
        assert len({zone.id for zone in await client.zones()}) == 121
    assert [asked.query["page"] for asked in fake.asked] == ["1", "2", "3"]


async def test_the_limit_of_requests_is_told_with_its_time(fake):
    fake.upcoming.append(Reply(429, {"success": False}, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}))
    async with Cloudflare(EDIT, fake.api) as client:
        with pytest.raises(RateLimited) as limited:
            await client.zones()
    assert limited.value.retry_after_seconds == 0
    fake.upcoming.append(Reply(429, "slow down", {"retry-after": "120"}))
    assert (await check(fake))[0].action == "Try again in 120 seconds."


@pytest.mark.parametrize("body", ["", "<html>", {"success": True, "result": None}, {"success": False}, [], 7])
async def test_garbage_is_not_taken_for_an_answer(fake, body):
    fake.upcoming.append(Reply(200, body))
    test, outcomes = await check(fake)
    assert (test.ok, outcomes) == (False, (FAILED, NOT_CHECKED, NOT_CHECKED))
    assert "not as Cloudflare's API does" in test.message
