"""The targets that backups are replicated to, as the environment sets them, and tests of them."""

import structlog
from cloudly.common.v1.connection_pb2 import ConnectionTest
from cloudly_kit.errors import FailedPrecondition
from cloudly_providers.connection import try_connection
from cloudly_providers.smb import SmbShare
from cloudly_providers.smb import check as check_smb

from cloudly_backups.config import Settings

log = structlog.get_logger()


class Targets:
    """An S3 bucket and an SMB share; either may be missing."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def test_s3(self) -> ConnectionTest:
        """Write to the bucket, read back, delete.

        Raises:
            FailedPrecondition: a variable that it needs is not set.
        """
        from cloudly_kit.objects.s3 import S3Config, endpoint_url  # half a second of imports
        from cloudly_providers.s3 import check

        settings = self._settings
        secret_key = settings.s3_target_secret_key.get_secret_value()
        _need(
            CLOUDLY_BACKUP_S3_ENDPOINT=settings.s3_target_endpoint,
            CLOUDLY_BACKUP_S3_BUCKET=settings.s3_target_bucket,
            CLOUDLY_BACKUP_S3_ACCESS_KEY=settings.s3_target_access_key,
            CLOUDLY_BACKUP_S3_SECRET_KEY=secret_key,
        )
        config = S3Config(
            endpoint_url(settings.s3_target_endpoint, settings.s3_target_port, settings.s3_target_use_ssl),
            settings.s3_target_region,
            settings.s3_target_bucket,
            settings.s3_target_access_key,
            secret_key,
        )
        return _logged(
            await try_connection(
                "s3",
                f"{config.endpoint.rstrip('/')}/{config.bucket}",
                lambda watch: check(config, settings.target_prefix, watch),
                advice="The bucket's settings are the variables CLOUDLY_BACKUP_S3_*.",
            )
        )

    async def test_smb(self) -> ConnectionTest:
        """Write to the share, read back, delete.

        Raises:
            FailedPrecondition: a variable that it needs is not set.
        """
        settings = self._settings
        _need(CLOUDLY_BACKUP_SMB_HOST=settings.smb_host, CLOUDLY_BACKUP_SMB_SHARE=settings.smb_share)
        share = SmbShare(
            settings.smb_host,
            settings.smb_share,
            settings.smb_port,
            settings.smb_username,
            settings.smb_password.get_secret_value(),
            settings.smb_domain,
        )
        return _logged(
            await try_connection(
                "smb",
                share.url,
                lambda watch: check_smb(share, settings.target_prefix, watch),
                advice="The share's settings are the variables CLOUDLY_BACKUP_SMB_*.",
            )
        )


def _need(**variables: str) -> None:
    missing = [name for name, value in variables.items() if not value]
    if missing:
        raise FailedPrecondition(f"not set in the environment of the service backups: {', '.join(missing)}")


def _logged(test: ConnectionTest) -> ConnectionTest:
    log.info("target.tested", target=test.target, ok=test.ok, took_ms=test.round_trip_milliseconds)
    return test
