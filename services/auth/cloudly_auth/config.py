"""Settings of auth, read from the environment."""

from typing import Literal, Self

from cloudly_kit.config import ServiceSettings
from pydantic import Field, SecretStr, model_validator

from cloudly_auth.mail import MailServer


class Settings(ServiceSettings):
    """What the auth service can be told beyond what all services can."""

    admin_account: SecretStr = Field(
        SecretStr(""),
        validation_alias="SERVEZONE_ADMINACCOUNT",
        description="The first admin as user:password; used only while no admin exists.",
    )
    session_idle_days: int = Field(
        7,
        ge=1,
        le=365,
        validation_alias="CLOUDLY_SESSION_IDLE_DAYS",
        description="A session that was not used for so long ends.",
    )
    session_days: int = Field(
        30,
        ge=1,
        le=365,
        validation_alias="CLOUDLY_SESSION_DAYS",
        description="A session ends this long after its login, however busy it is.",
    )
    token_max_days: int = Field(
        0,
        ge=0,
        le=3650,
        validation_alias="CLOUDLY_TOKEN_MAX_DAYS",
        description="The longest life of an API token in days; 0 sets no bound and allows tokens without an end.",
    )
    audit_days: int = Field(
        400,
        ge=1,
        le=3_650,
        validation_alias="CLOUDLY_AUDIT_DAYS",
        description="How many days the audit log is kept.",
    )
    password_threads: int = Field(
        2,
        ge=1,
        le=64,
        validation_alias="CLOUDLY_PASSWORD_THREADS",
        description="How many passwords are checked at once; each takes a core and 19 MiB for some 20 ms.",
    )
    smtp_host: str = Field(
        "",
        validation_alias="CLOUDLY_SMTP_HOST",
        description="The mail server that takes invitations and reset links; empty: links are only shown.",
    )
    smtp_port: int = Field(
        587, ge=1, le=65535, validation_alias="CLOUDLY_SMTP_PORT", description="Port of the mail server."
    )
    smtp_tls: Literal["none", "starttls", "tls"] = Field(
        "starttls",
        validation_alias="CLOUDLY_SMTP_TLS",
        description="How the way to the mail server is encrypted: starttls (587), tls (465), none.",
    )
    smtp_username: str = Field("", validation_alias="CLOUDLY_SMTP_USERNAME", description="User at the mail server.")
    smtp_password: SecretStr = Field(
        SecretStr(""), validation_alias="CLOUDLY_SMTP_PASSWORD", description="Password at the mail server."
    )
    smtp_from: str = Field(
        "", validation_alias="CLOUDLY_SMTP_FROM", description="The sender of mails: `Cloudly <cloudly@example.com>`."
    )

    @property
    def mail_server(self) -> MailServer | None:
        """Where mails are handed in; None where no server is set."""
        if not self.smtp_host:
            return None
        return MailServer(
            host=self.smtp_host,
            port=self.smtp_port,
            tls=self.smtp_tls,
            username=self.smtp_username,
            password=self.smtp_password.get_secret_value(),
            sender=self.smtp_from,
        )

    @model_validator(mode="after")
    def _mail_has_a_sender(self) -> Self:
        if self.smtp_host and not self.smtp_from:
            raise ValueError("CLOUDLY_SMTP_FROM is needed with CLOUDLY_SMTP_HOST")
        return self
