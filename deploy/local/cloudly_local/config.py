"""What the suite on this machine can be told, beside what its services can."""

from cloudly_kit.config import ServiceSettings
from pydantic import Field, SecretStr


class LocalSettings(ServiceSettings):
    """Read by the supervisor; everything else in the environment goes through to the services as it is."""

    bind: str = Field(
        "",
        validation_alias="CLOUDLY_BIND",
        description="The address that the public port is opened on; default: 127.0.0.1, all with letsencrypt.",
    )
    listen_port: int | None = Field(
        None,
        ge=1,
        le=65535,
        validation_alias="CLOUDLY_PORT",
        description="The port to open, where it is not SERVEZONE_PORT (a proxy in front); `--port` goes before both.",
    )
    admin_account: SecretStr = Field(
        SecretStr(""),
        validation_alias="SERVEZONE_ADMINACCOUNT",
        description="The first admin as user:password; used only while no admin exists.",
    )
    trusted_proxies: str = Field(
        "",
        validation_alias="CLOUDLY_TRUSTED_PROXIES",
        description="Networks whose X-Forwarded-For is believed, separated by commas.",
    )
    acme_email: str = Field(
        "", validation_alias="CLOUDLY_ACME_EMAIL", description="Who the certificate authority may write to."
    )
    acme_server: str = Field(
        "",
        validation_alias="CLOUDLY_ACME_SERVER",
        description="The ACME directory; default: Let's Encrypt's, or its staging one in `integration`.",
    )

    @property
    def bind_host(self) -> str:
        """The address that the public port is opened on."""
        return self.bind or ("0.0.0.0" if self.ssl_mode == "letsencrypt" else "127.0.0.1")  # noqa: S104 - its purpose

    @property
    def is_exposed(self) -> bool:
        """Whether others than this machine can reach an address that speaks no TLS."""
        return self.ssl_mode == "none" and not (
            self.bind_host.startswith("127.") or self.bind_host in ("::1", "localhost")
        )

    @property
    def acme_directory(self) -> str:
        """The ACME directory's URL."""
        host = "acme-staging-v02" if self.environment == "integration" else "acme-v02"
        return self.acme_server or f"https://{host}.api.letsencrypt.org/directory"
