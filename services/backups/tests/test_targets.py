"""Tests of backup targets through gRPC, against a real S3 server and a real Samba."""

import uuid
from contextlib import asynccontextmanager

import pytest
from cloudly.backups.v1 import target_pb2 as pb
from cloudly.backups.v1.target_pb2_grpc import TargetServiceStub
from cloudly_backups.config import Settings
from cloudly_backups.main import serve
from cloudly_kit.errors import FailedPrecondition, PermissionDenied
from cloudly_kit.objects.testing import ACCESS_KEY, SECRET_KEY, rclone_server
from cloudly_providers.testing.samba import PASSWORD, samba
from pydantic import SecretStr


@pytest.fixture
def backups(harness):
    @asynccontextmanager
    async def running(role="admin", **settings):
        served = harness.running("backups", serve, harness.settings(Settings, **settings))
        async with served, harness.channel("backups", role) as channel:
            yield TargetServiceStub(channel)

    return running


async def test_a_bucket_is_tried_below_the_prefix_as_the_environment_sets_it(backups, scratch):
    directory = scratch / f"rclone-{uuid.uuid4().hex[:8]}"
    with rclone_server(directory) as url:
        (directory / "data" / "copies").mkdir()
        given = {
            "s3_target_endpoint": url.removeprefix("http://").split(":")[0],
            "s3_target_port": int(url.rpartition(":")[2]),
            "s3_target_use_ssl": False,
            "s3_target_bucket": "copies",
            "s3_target_access_key": ACCESS_KEY,
        }
        async with backups(**given, s3_target_secret_key=SecretStr(SECRET_KEY)) as targets:
            (test,) = (await targets.TestS3Target(pb.TestS3TargetRequest())).connections
            assert (test.ok, test.target) == (True, f"{url}/copies"), test
        async with backups(**given, s3_target_secret_key=SecretStr("mistyped")) as targets:
            (test,) = (await targets.TestS3Target(pb.TestS3TargetRequest())).connections
        assert not test.ok
        assert test.action.endswith("CLOUDLY_BACKUP_S3_*.")
        assert "mistyped" not in str(test)


async def test_a_share_is_tried_as_the_environment_sets_it(backups, scratch):
    with samba(scratch / f"samba-{uuid.uuid4().hex[:8]}") as (share, files):
        settings = {"smb_host": share.host, "smb_port": share.port, "smb_share": share.share}
        settings |= {"smb_username": share.username, "smb_password": SecretStr(PASSWORD)}
        async with backups(**settings) as targets:
            (test,) = (await targets.TestSmbTarget(pb.TestSmbTargetRequest())).connections
            assert (test.ok, test.provider) == (True, "smb"), test
        assert list(files.iterdir()) == []


async def test_what_is_missing_is_named_all_at_once(backups):
    async with backups(s3_target_bucket="copies", s3_target_access_key="k") as targets:
        with pytest.raises(FailedPrecondition, match="CLOUDLY_BACKUP_S3_ENDPOINT, CLOUDLY_BACKUP_S3_SECRET_KEY"):
            await targets.TestS3Target(pb.TestS3TargetRequest())
        with pytest.raises(FailedPrecondition, match="CLOUDLY_BACKUP_SMB_HOST, CLOUDLY_BACKUP_SMB_SHARE"):
            await targets.TestSmbTarget(pb.TestSmbTargetRequest())


async def test_only_who_may_set_credentials_may_try_them(backups):
    async with backups("operator") as targets:
        with pytest.raises(PermissionDenied):
            await targets.TestS3Target(pb.TestS3TargetRequest())


def test_the_variables_are_those_of_the_legacy_installations(monkeypatch):
    variables = {
        "TARGET_PREFIX": "p", "S3_ENDPOINT": "e", "S3_ACCESS_KEY": "a", "S3_SECRET_KEY": "s", "S3_BUCKET": "b",
        "S3_REGION": "r", "S3_PORT": "9", "S3_USE_SSL": "false", "SMB_HOST": "h", "SMB_SHARE": "t", "SMB_PORT": "7",
        "SMB_USERNAME": "u", "SMB_PASSWORD": "w", "SMB_DOMAIN": "d",
    }  # fmt: skip
    for name, value in variables.items():
        monkeypatch.setenv(f"CLOUDLY_BACKUP_{name}", value)
    read = Settings()
    assert (read.s3_target_port, read.s3_target_use_ssl, read.smb_port) == (9, False, 7)
    assert (read.s3_target_secret_key.get_secret_value(), read.smb_password.get_secret_value()) == ("s", "w")
    assert (read.target_prefix, read.s3_target_endpoint, read.s3_target_bucket, read.s3_target_region) == (
        "p", "e", "b", "r",
    )  # fmt: skip
    assert (read.smb_host, read.smb_share, read.smb_username, read.smb_domain) == ("h", "t", "u", "d")
