"""Settings of backups, read from the environment."""

from cloudly_kit.config import ServiceSettings
from pydantic import Field, SecretStr


class Settings(ServiceSettings):
    """What the backups service can be told beyond what all services can."""

    due_slots_kept_days: int = Field(
        30,
        ge=1,
        le=3650,
        validation_alias="CLOUDLY_BACKUP_DUE_SLOTS_KEPT_DAYS",
        description="How long the slots that policies made due are kept.",
    )
    target_prefix: str = Field(
        "serve.zone-backups",
        validation_alias="CLOUDLY_BACKUP_TARGET_PREFIX",
        description="The folder in the bucket or share that copies of backups go to.",
    )
    s3_target_endpoint: str = Field(
        "",
        validation_alias="CLOUDLY_BACKUP_S3_ENDPOINT",
        description="Host or URL of the S3 store that copies of backups go to.",
    )
    s3_target_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        validation_alias="CLOUDLY_BACKUP_S3_PORT",
        description="Its port, where the URL names none.",
    )
    s3_target_use_ssl: bool = Field(
        True, validation_alias="CLOUDLY_BACKUP_S3_USE_SSL", description="Whether it speaks TLS, where no URL says so."
    )
    s3_target_access_key: str = Field(
        "", validation_alias="CLOUDLY_BACKUP_S3_ACCESS_KEY", description="Its access key."
    )
    s3_target_secret_key: SecretStr = Field(
        SecretStr(""), validation_alias="CLOUDLY_BACKUP_S3_SECRET_KEY", description="Its secret key."
    )
    s3_target_bucket: str = Field("", validation_alias="CLOUDLY_BACKUP_S3_BUCKET", description="The bucket for copies.")
    s3_target_region: str = Field(
        "us-east-1", validation_alias="CLOUDLY_BACKUP_S3_REGION", description="The bucket's region."
    )
    smb_host: str = Field(
        "", validation_alias="CLOUDLY_BACKUP_SMB_HOST", description="The SMB server that copies of backups go to."
    )
    smb_share: str = Field("", validation_alias="CLOUDLY_BACKUP_SMB_SHARE", description="The share for copies.")
    smb_port: int = Field(
        445, ge=1, le=65535, validation_alias="CLOUDLY_BACKUP_SMB_PORT", description="The SMB server's port."
    )
    smb_username: str = Field("", validation_alias="CLOUDLY_BACKUP_SMB_USERNAME", description="Who logs in there.")
    smb_password: SecretStr = Field(
        SecretStr(""), validation_alias="CLOUDLY_BACKUP_SMB_PASSWORD", description="That user's password."
    )
    smb_domain: str = Field("", validation_alias="CLOUDLY_BACKUP_SMB_DOMAIN", description="That user's domain.")
