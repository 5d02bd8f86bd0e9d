"""Testing a connection to Hetzner: what is told of good, bad and weak tokens, and of a disturbed API."""

import pytest
from cloudly.common.v1 import connection_pb2 as pb
from cloudly_providers import hetzner
from cloudly_providers.connection import try_connection
from cloudly_providers.testing.hetzner import HetznerFake
from cloudly_providers.testing.server import CUT, SILENCE, Reply

PASSED, FAILED, NOT_CHECKED = pb.CHECK_OUTCOME_PASSED, pb.CHECK_OUTCOME_FAILED, pb.CHECK_OUTCOME_NOT_CHECKED
WRITE, READ = "hetzner-token-write", "hetzner-token-read"


@pytest.fixture
def fake():
    with HetznerFake() as running:
        yield running


async def check(fake, token=WRITE, seconds=10.0):
    test = await try_connection(
        "hetzner", fake.api, lambda watch: hetzner.check(token, fake.api, watch), seconds=seconds
    )
    assert token not in str(test)
    return test, (test.reachable, test.authenticated, test.permitted)


async def test_a_token_that_may_write_is_fine_and_nothing_is_made(fake):
    for name in ("a", "b", "c"):
        fake.add_server(name)
    test, outcomes = await check(fake)
    assert (test.ok, outcomes, test.action) == (True, (PASSED, PASSED, PASSED), "")
    assert "servers in the project: 3" in test.message
    assert "3599 of 3600" in test.message
    assert test.round_trip_milliseconds < 10_000
    assert [asked.method for asked in fake.asked] == ["GET", "POST"]


async def test_an_unknown_token_is_not_authenticated(fake):
    test, outcomes = await check(fake, "stolen-or-mistyped")
    assert (test.ok, outcomes) == (False, (PASSED, FAILED, NOT_CHECKED))
    assert "unable to authenticate" in test.message
    assert "Read & Write" in test.action
    assert test.request_id == "correlation-1"


async def test_a_token_for_reading_alone_is_not_permitted(fake):
    test, outcomes = await check(fake, READ)
    assert (test.ok, outcomes) == (False, (PASSED, PASSED, FAILED))
    assert "may only read" in test.message


async def test_a_used_up_rate_limit_says_when_to_try_again(fake):
    fake.left = 0
    test, outcomes = await check(fake)
    assert (test.ok, outcomes) == (False, (PASSED, NOT_CHECKED, NOT_CHECKED))
    assert test.action in {f"Try again in {seconds} seconds." for seconds in range(20, 31)}
    fake.upcoming.append(Reply(429, {}, {"retry-after": "7"}))
    assert (await check(fake))[0].action == "Try again in 7 seconds."


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(503, {"error": {"code": "unavailable", "message": "sorry"}}), "answers 503"),
        (Reply(200, "<html>Log in to the hotel's network</html>"), "not as Hetzner's API does"),
        (Reply(200, {"servers": []}), "not as Hetzner's API does"),
        (Reply(200, [1]), "not as Hetzner's API does"),
        (Reply(302, None, {"location": "https://elsewhere.example/login"}), "leads to https://elsewhere.example"),
        (Reply(200, "x" * 5_000_000), "more than 4 MiB"),
        (CUT, "cannot be reached"),
    ],
    ids=["5xx", "html", "no pagination", "a list", "redirect", "huge", "cut"],
)
async def test_what_is_not_the_api_s_answer_is_told(fake, reply, said):
    fake.upcoming.append(reply)
    test, outcomes = await check(fake)
    assert (test.ok, outcomes) == (False, (FAILED, NOT_CHECKED, NOT_CHECKED))
    assert said in test.message
    assert test.action


async def test_a_silent_api_ends_the_test_in_its_time(fake):
    fake.upcoming.append(SILENCE)
    test, outcomes = await check(fake, seconds=0.3)
    assert (test.ok, outcomes, test.round_trip_milliseconds) == (False, (FAILED, NOT_CHECKED, NOT_CHECKED), 0)
    assert "did not answer within 0.3 seconds" in test.message


async def test_nobody_at_the_address_is_told():
    with HetznerFake() as gone:
        pass
    test, outcomes = await check(gone)
    assert outcomes == (FAILED, NOT_CHECKED, NOT_CHECKED)
    assert gone.api in test.message


async def test_what_the_api_says_is_cut_short_and_freed_of_the_token(fake):
    message = f"no such token:\n\x1b[31m{WRITE} " + "x" * 1000
    fake.upcoming.append(Reply(401, {"error": {"code": "unauthorized", "message": message}}))
    test, _ = await check(fake)
    assert "***" in test.message
    assert "\x1b" not in test.message
    assert len(test.message) < 300
