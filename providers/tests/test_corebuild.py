"""Testing CoreBuild workers: which there are, whether they answer, what shows of their tokens."""

import json

import pytest
from cloudly.common.v1 import connection_pb2 as pb
from cloudly_providers import corebuild
from cloudly_providers.connection import try_connection
from cloudly_providers.corebuild import Worker
from cloudly_providers.testing.corebuild import CorebuildFake
from cloudly_providers.testing.server import Reply

PASSED, FAILED, NOT_CHECKED = pb.CHECK_OUTCOME_PASSED, pb.CHECK_OUTCOME_FAILED, pb.CHECK_OUTCOME_NOT_CHECKED


@pytest.fixture
def fake():
    with CorebuildFake("worker-token") as running:
        yield running


async def check(fake, token="worker-token"):
    worker = Worker(fake.url, token)
    test = await try_connection("corebuild", fake.url, lambda watch: corebuild.check(worker, watch))
    assert not token or token not in str(test)
    return test, (test.reachable, test.authenticated, test.permitted)


def test_workers_are_read_from_both_kinds_of_settings():
    listed = ["https://a.example/", {"url": "https://b.example", "token": "t", "id": "b"}]
    settings = {"corebuildWorkersJson": json.dumps(listed), "corebuildWorkerUrl": "https://c.example"}
    assert corebuild.workers(settings) == [
        Worker("https://a.example", "", "https://a.example"),
        Worker("https://b.example", "t", "b"),
        Worker("https://c.example", "", "https://c.example"),
    ]
    assert corebuild.workers({}) == []
    assert "t" not in repr(corebuild.workers(settings)[1]).split("token")


async def test_a_worker_that_refuses_strangers_shows_that_it_takes_the_token(fake):
    test, outcomes = await check(fake)
    assert (test.ok, outcomes) == (True, (PASSED, PASSED, NOT_CHECKED))


async def test_a_worker_that_answers_everybody_is_told(fake):
    fake.token = ""
    test, outcomes = await check(fake)
    assert (test.ok, outcomes) == (True, (PASSED, NOT_CHECKED, NOT_CHECKED))
    assert "asks nobody for a token" in test.message


@pytest.mark.parametrize("token", ["", "wrong-token"])
async def test_a_wrong_or_missing_token_is_not_authenticated(fake, token):
    assert (await check(fake, token))[1] == (PASSED, FAILED, NOT_CHECKED)


@pytest.mark.parametrize("reply", [Reply(404, {}), Reply(200, "<html>"), Reply(200, []), Reply(503, {})])
async def test_what_is_no_worker_is_not_reachable(fake, reply):
    fake.upcoming.append(reply)
    assert (await check(fake))[1] == (FAILED, NOT_CHECKED, NOT_CHECKED)
