"""Testing a bucket, on a real S3 server that checks signatures."""

import uuid
from dataclasses import replace

import pytest
from cloudly.common.v1 import connection_pb2 as pb
from cloudly_kit.objects.s3 import S3Config
from cloudly_kit.objects.testing import ACCESS_KEY, SECRET_KEY, rclone_server
from cloudly_providers import s3
from cloudly_providers.connection import try_connection
from cloudly_providers.testing.server import SILENCE, Asked, FakeServer, Reply

PASSED, FAILED, NOT_CHECKED = pb.CHECK_OUTCOME_PASSED, pb.CHECK_OUTCOME_FAILED, pb.CHECK_OUTCOME_NOT_CHECKED


class RefusingStore(FakeServer):
    """Answers every request with one error of S3."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__()
        self._reply = Reply(
            status,
            f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>no</Message></Error>',
            {"x-amz-request-id": "r1"},
        )

    def reply(self, asked: Asked) -> Reply:
        return self._reply


@pytest.fixture(scope="module")
def server(scratch):
    directory = scratch / f"rclone-{uuid.uuid4().hex[:8]}"
    with rclone_server(directory) as url:
        (directory / "data" / "copies").mkdir()
        yield S3Config(url, "us-east-1", "copies", ACCESS_KEY, SECRET_KEY), directory / "data" / "copies"


async def check(config):
    test = await try_connection("s3", config.endpoint, lambda watch: s3.check(config, "serve.zone-backups", watch))
    assert config.secret_key not in str(test)
    return test, (test.reachable, test.authenticated, test.permitted)


async def test_a_bucket_is_written_to_read_and_left_as_it_was(server):
    config, files = server
    test, outcomes = await check(config)
    assert (test.ok, outcomes, test.action) == (True, (PASSED, PASSED, PASSED), ""), test
    assert [path for path in files.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("change", [{"access_key": "AKIAOTHER"}, {"secret_key": "another secret"}])
async def test_wrong_keys_are_not_authenticated(server, change):
    test, outcomes = await check(replace(server[0], **change))
    assert (test.ok, outcomes) == (False, (PASSED, FAILED, NOT_CHECKED)), test


async def test_a_bucket_that_is_not_there_is_named_and_not_made(server):
    config, files = server
    test, outcomes = await check(replace(config, bucket="elsewhere"))
    assert (test.ok, outcomes) == (False, (PASSED, PASSED, FAILED)), test
    assert "no bucket elsewhere" in test.message
    assert not (files.parent / "elsewhere").exists()


@pytest.mark.parametrize(
    ("status", "code", "outcomes", "said"),
    [
        (403, "AccessDenied", (PASSED, PASSED, FAILED), "does not allow to list in copies"),
        (403, "RequestTimeTooSkewed", (PASSED, FAILED, NOT_CHECKED), "clocks"),
        (400, "AuthorizationHeaderMalformed", (PASSED, PASSED, FAILED), "another region"),
        (503, "SlowDown", (FAILED, NOT_CHECKED, NOT_CHECKED), "fault is on its side"),
    ],
)
async def test_the_store_s_refusals_are_told_apart(server, status, code, outcomes, said):
    with RefusingStore(status, code) as store:
        test, found = await check(replace(server[0], endpoint=store.url))
    assert found == outcomes, test
    assert said in test.message
    assert (test.request_id, bool(test.action)) == ("r1", True)


class ForgetfulStore(FakeServer):
    """Takes what is written, and does not answer who reads it."""

    def reply(self, asked: Asked) -> Reply:
        if "list-type" in asked.query:
            return Reply(200, '<?xml version="1.0"?><ListBucketResult></ListBucketResult>')
        return SILENCE if asked.method == "GET" else Reply(204 if asked.method == "DELETE" else 200, "")


async def test_what_was_written_is_deleted_when_the_time_is_up(server):
    with ForgetfulStore() as store:
        config = replace(server[0], endpoint=store.url)
        test = await try_connection("s3", store.url, lambda watch: s3.check(config, "p", watch), seconds=1)
        assert test.reachable == FAILED
        written = next(asked.path for asked in store.asked if asked.method == "PUT")
        assert (store.asked[-1].method, store.asked[-1].path) == ("DELETE", written)


async def test_nobody_at_the_address_is_told(server):
    with RefusingStore(500, "x") as gone:
        pass
    test, outcomes = await check(replace(server[0], endpoint=gone.url))
    assert outcomes == (FAILED, NOT_CHECKED, NOT_CHECKED), test
    assert gone.url in test.message
