"""Testing a share, on a real Samba."""

import os
import uuid
from dataclasses import replace

import pytest
from cloudly.common.v1 import connection_pb2 as pb
from cloudly_providers import smb
from cloudly_providers.connection import try_connection
from cloudly_providers.testing.hetzner import HetznerFake
from cloudly_providers.testing.samba import PASSWORD, samba
from cloudly_providers.testing.server import SILENCE

PASSED, FAILED, NOT_CHECKED = pb.CHECK_OUTCOME_PASSED, pb.CHECK_OUTCOME_FAILED, pb.CHECK_OUTCOME_NOT_CHECKED


@pytest.fixture(scope="module")
def server(scratch):
    with samba(scratch / f"samba-{uuid.uuid4().hex[:8]}") as running:
        yield running


async def check(share, prefix="serve.zone-backups", seconds=20.0):
    test = await try_connection("smb", share.url, lambda watch: smb.check(share, prefix, watch), seconds=seconds)
    assert PASSWORD not in str(test)
    return test, (test.reachable, test.authenticated, test.permitted)


async def test_a_share_is_written_to_read_and_left_as_it_was(server):
    share, files = server
    (files / "kept").write_text("mine")
    test, outcomes = await check(share)
    assert (test.ok, outcomes, test.action) == (True, (PASSED, PASSED, PASSED), ""), test
    assert os.listdir(files) == ["kept"]
    assert test.target == f"smb://127.0.0.1:{share.port}/backup"


async def test_the_folder_is_tried_where_it_is_there(server):
    share, files = server
    (files / "a" / "b").mkdir(parents=True)
    before = (files / "a" / "b").stat().st_mtime_ns
    assert (await check(share, "a/b"))[0].ok
    assert (files / "a" / "b").stat().st_mtime_ns > before
    assert os.listdir(files / "a" / "b") == []


@pytest.mark.parametrize(
    "change", [{"password": "wrong"}, {"username": "nobody-here"}, {"username": "", "password": ""}]
)
async def test_a_wrong_login_is_not_authenticated(server, change):
    test, outcomes = await check(replace(server[0], **change))
    assert (test.ok, outcomes) == (False, (PASSED, FAILED, NOT_CHECKED)), test
    assert "user name" in test.action


async def test_a_share_that_is_not_there_is_named(server):
    test, outcomes = await check(replace(server[0], share="nothing"))
    assert (test.ok, outcomes) == (False, (PASSED, PASSED, FAILED)), test
    assert "no share nothing" in test.message


async def test_a_share_for_reading_alone_is_not_permitted(server):
    test, outcomes = await check(replace(server[0], share="archive"))
    assert (test.ok, outcomes) == (False, (PASSED, PASSED, FAILED)), test
    assert "may not read and write there" in test.message


async def test_nobody_at_the_address_is_told(server):
    test, outcomes = await check(replace(server[0], port=1))
    assert outcomes == (FAILED, NOT_CHECKED, NOT_CHECKED), test
    assert "cannot be reached" in test.message


async def test_a_server_that_speaks_something_else_or_nothing_ends_the_test_in_its_time(server):
    with HetznerFake() as web:
        web.upcoming.append(SILENCE)
        port = int(web.url.rpartition(":")[2])
        test, outcomes = await check(replace(server[0], port=port), seconds=1)
    assert outcomes == (FAILED, NOT_CHECKED, NOT_CHECKED), test
