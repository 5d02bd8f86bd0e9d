"""Testing a connection to a dcrouter gateway: no more is claimed than can be known."""

import pytest
from cloudly.common.v1 import connection_pb2 as pb
from cloudly_providers import dcrouter
from cloudly_providers.connection import try_connection
from cloudly_providers.testing.dcrouter import DcrouterFake
from cloudly_providers.testing.server import Reply

PASSED, FAILED, NOT_CHECKED = pb.CHECK_OUTCOME_PASSED, pb.CHECK_OUTCOME_FAILED, pb.CHECK_OUTCOME_NOT_CHECKED


@pytest.fixture
def fake():
    with DcrouterFake() as running:
        yield running


async def check(fake, token="dcrouter-token"):
    test = await try_connection("dcrouter", fake.url, lambda watch: dcrouter.check(token, fake.url, watch))
    assert token not in str(test)
    return test, (test.reachable, test.authenticated, test.permitted)


async def test_a_gateway_that_refuses_strangers_shows_that_it_takes_the_token(fake):
    test, outcomes = await check(fake)
    assert (test.ok, outcomes) == (True, (PASSED, PASSED, NOT_CHECKED))


async def test_a_gateway_that_answers_everybody_shows_nothing_of_the_token(fake):
    fake.open = True
    test, outcomes = await check(fake)
    assert (test.ok, outcomes) == (True, (PASSED, NOT_CHECKED, NOT_CHECKED))
    assert "cannot be tested" in test.message


async def test_a_refused_token_is_not_authenticated(fake):
    test, outcomes = await check(fake, "wrong-token")
    assert (test.ok, outcomes) == (False, (PASSED, FAILED, NOT_CHECKED))


async def test_a_gateway_that_fails_is_not_reachable(fake):
    fake.upcoming.append(Reply(502, "bad gateway"))
    assert (await check(fake))[1] == (FAILED, NOT_CHECKED, NOT_CHECKED)
