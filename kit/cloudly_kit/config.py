"""Settings that all services share, read from the environment; each field knows its variable, meaning and default."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, computed_field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from cloudly_kit.addresses import Network, networks

SERVICES = ("auth", "registry", "clusters", "backups", "baseos", "tasks")
"""The six services, in the order they may depend on each other."""

DEFAULT_PORTS = {"auth": 7101, "registry": 7102, "clusters": 7103, "backups": 7104, "baseos": 7105, "tasks": 7106}
"""gRPC ports where no address is set (containers)."""


class ServiceSettings(BaseSettings):
    """What every process of the suite can be told."""

    model_config = SettingsConfigDict(extra="ignore", populate_by_name=True, env_ignore_empty=True)

    environment: Literal["production", "integration"] = Field(
        "production",
        validation_alias="SERVEZONE_ENVIRONMENT",
        description="Which ACME and runtime environment this is.",
    )
    public_url: str = Field(
        "localhost", validation_alias="SERVEZONE_URL", description="The public host name, without protocol or port."
    )
    public_port: int = Field(
        8080, ge=1, le=65535, validation_alias="SERVEZONE_PORT", description="The public port of API and dashboard."
    )
    ssl_mode: Literal["none", "external", "letsencrypt"] = Field(
        "none",
        validation_alias="SERVEZONE_SSLMODE",
        description="Who ends TLS: nobody, a proxy in front, or ACME here.",
    )
    mongodb_url: SecretStr = Field(
        SecretStr("mongodb://127.0.0.1:27017"), validation_alias="MONGODB_URL", description="Where MongoDB is."
    )
    mongodb_name: str = Field(
        "cloudly", validation_alias="MONGODB_NAME", description="The prefix of the services' database names."
    )
    mongodb_user: str = Field(
        "", validation_alias="MONGODB_USER", description="MongoDB user, where the URL names none."
    )
    mongodb_pass: SecretStr = Field(
        SecretStr(""), validation_alias="MONGODB_PASS", description="MongoDB password, where the URL names none."
    )
    redis_url: SecretStr = Field(
        SecretStr("redis://127.0.0.1:6379/0"), validation_alias="REDIS_URL", description="Where Redis is."
    )
    s3_endpoint: str = Field(
        "",
        validation_alias="S3_ENDPOINT",
        description="Host or URL of an S3 store; empty keeps objects in a directory.",
    )
    s3_port: int | None = Field(None, validation_alias="S3_PORT", description="Port of the S3 store.")
    s3_use_ssl: bool = Field(True, validation_alias="S3_USESSL", description="Whether the S3 store speaks TLS.")
    s3_access_key: str = Field("", validation_alias="S3_ACCESSKEY", description="S3 access key.")
    s3_secret_key: SecretStr = Field(SecretStr(""), validation_alias="S3_SECRETKEY", description="S3 secret key.")
    s3_bucket: str = Field("cloudly", validation_alias="S3_BUCKET", description="S3 bucket.")
    s3_region: str = Field("us-east-1", validation_alias="S3_REGION", description="S3 region.")
    s3_public_endpoint: str = Field(
        "",
        validation_alias="S3_PUBLIC_ENDPOINT",
        description="The S3 store's URL as clients reach it; set, downloads are redirected there.",
    )
    data_dir: Path = Field(
        Path(".cloudly"), validation_alias="CLOUDLY_DATA_DIR", description="Where local data is kept."
    )
    keys_dir_setting: Path | None = Field(
        None,
        validation_alias="CLOUDLY_KEYS_DIR",
        description="The services' key files and the master key; default: `keys` in the data directory.",
    )
    master_key: SecretStr = Field(
        SecretStr(""),
        validation_alias="CLOUDLY_MASTER_KEY",
        description="Keys that seal secrets at rest: base64 of 32 bytes each, parted by spaces; the first seals, all open. "
        "Default: `master.json` among the key files, made at the first start.",
    )
    master_key_file: Path | None = Field(
        None,
        validation_alias="CLOUDLY_MASTER_KEY_FILE",
        description="A file that holds what CLOUDLY_MASTER_KEY would; it is read again when it changes.",
    )
    master_key_command: str = Field(
        "",
        validation_alias="CLOUDLY_MASTER_KEY_COMMAND",
        description="A command, run without a shell, that prints what CLOUDLY_MASTER_KEY would; run again every minute.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", validation_alias="CLOUDLY_LOG_LEVEL", description="From which level on logs are written."
    )
    metrics_listen: str = Field(
        "", validation_alias="CLOUDLY_METRICS_LISTEN", description="host:port for Prometheus metrics; empty: none."
    )
    auth_address: str = Field("", validation_alias="CLOUDLY_AUTH_ADDRESS", description="gRPC target of auth.")
    registry_address: str = Field(
        "", validation_alias="CLOUDLY_REGISTRY_ADDRESS", description="gRPC target of registry."
    )
    clusters_address: str = Field(
        "", validation_alias="CLOUDLY_CLUSTERS_ADDRESS", description="gRPC target of clusters."
    )
    backups_address: str = Field("", validation_alias="CLOUDLY_BACKUPS_ADDRESS", description="gRPC target of backups.")
    baseos_address: str = Field("", validation_alias="CLOUDLY_BASEOS_ADDRESS", description="gRPC target of baseos.")
    tasks_address: str = Field("", validation_alias="CLOUDLY_TASKS_ADDRESS", description="gRPC target of tasks.")
    auth_listen: str = Field("", validation_alias="CLOUDLY_AUTH_LISTEN", description="Where auth serves gRPC.")
    registry_listen: str = Field(
        "", validation_alias="CLOUDLY_REGISTRY_LISTEN", description="Where registry serves gRPC."
    )
    clusters_listen: str = Field(
        "", validation_alias="CLOUDLY_CLUSTERS_LISTEN", description="Where clusters serves gRPC."
    )
    backups_listen: str = Field("", validation_alias="CLOUDLY_BACKUPS_LISTEN", description="Where backups serves gRPC.")
    baseos_listen: str = Field("", validation_alias="CLOUDLY_BASEOS_LISTEN", description="Where baseos serves gRPC.")
    tasks_listen: str = Field("", validation_alias="CLOUDLY_TASKS_LISTEN", description="Where tasks serves gRPC.")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def public_origin(self) -> str:
        """The public address as a URL without a trailing slash: `http://localhost:8080`."""
        scheme = "http" if self.ssl_mode == "none" else "https"
        default = 80 if scheme == "http" else 443
        return f"{scheme}://{self.public_url}" + ("" if self.public_port == default else f":{self.public_port}")

    @property
    def registry_host(self) -> str:
        """What stands in front of the names of images kept here: `localhost:8080`."""
        return self.public_origin.split("://", 1)[1]

    @property
    def keys_dir(self) -> Path:
        """Where the services' key files and the master key are."""
        return self.keys_dir_setting or self.data_dir / "keys"

    def as_environment(self) -> dict[str, str]:
        """The environment in which another process has the same settings; secrets in the clear."""
        found = {}
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            plain = value.get_secret_value() if isinstance(value, SecretStr) else value
            if plain is not None and isinstance(field.validation_alias, str):
                found[field.validation_alias] = str(plain)
        return found

    def address_of(self, service: str) -> str:
        """The gRPC target of a service: as configured, else `<service>:<its default port>` (containers)."""
        configured: str = getattr(self, f"{service}_address", "")
        return configured or f"{service}:{DEFAULT_PORTS[service]}"

    def listen_address(self, service: str) -> str:
        """Where a service serves gRPC: as configured, else all interfaces on its default port."""
        configured: str = getattr(self, f"{service}_listen", "")
        return configured or f"0.0.0.0:{DEFAULT_PORTS[service]}"


class HttpSettings(ServiceSettings):
    """What processes can be told that serve HTTP behind proxies."""

    trusted_proxies: str = Field(
        "127.0.0.0/8,::1/128",
        validation_alias="CLOUDLY_TRUSTED_PROXIES",
        description="Networks whose X-Forwarded-For is believed, separated by commas.",
    )

    @property
    def proxies(self) -> list[Network]:
        """`trusted_proxies`, parsed."""
        return networks(self.trusted_proxies)

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies_are_networks(cls, text: str) -> str:
        networks(text)
        return text
