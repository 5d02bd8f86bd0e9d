"""The settings of the registry."""

from cloudly_kit.addresses import Network, networks
from cloudly_kit.config import HttpSettings
from pydantic import Field, field_validator


class Settings(HttpSettings):
    """What the registry can be told, beyond what all services can."""

    http_listen: str = Field(
        "0.0.0.0:7202",
        validation_alias="CLOUDLY_REGISTRY_HTTP_LISTEN",
        description="host:port where the registry serves /v2 and /objects.",
    )
    deletes: bool = Field(
        True,
        validation_alias="CLOUDLY_REGISTRY_DELETES",
        description="Whether clients may delete tags, manifests and blobs over /v2.",
    )
    idle_seconds: int = Field(
        60,
        ge=1,
        le=3600,
        validation_alias="CLOUDLY_REGISTRY_IDLE_SECONDS",
        description="How long a pushing client may send nothing before its connection is closed.",
    )
    upload_hours: int = Field(
        24,
        ge=1,
        le=720,
        validation_alias="CLOUDLY_REGISTRY_UPLOAD_HOURS",
        description="How long an unfinished upload is kept for its client to go on with.",
    )
    grace_hours: int = Field(
        24,
        ge=1,
        le=720,
        validation_alias="CLOUDLY_REGISTRY_GRACE_HOURS",
        description="How long something has to be unused before it is collected; longer than any push takes.",
    )
    quarantine_hours: int = Field(
        72,
        ge=1,
        le=8760,
        validation_alias="CLOUDLY_REGISTRY_QUARANTINE_HOURS",
        description="How long deleted and collected versions, blobs and images can be brought back.",
    )
    webhook_denied_networks: str = Field(
        "169.254.0.0/16,fe80::/10",
        validation_alias="CLOUDLY_WEBHOOK_DENIED_NETWORKS",
        description="Networks that webhooks may not be sent to; the default holds the metadata services of clouds.",
    )

    @property
    def denied_networks(self) -> list[Network]:
        """`webhook_denied_networks`, parsed."""
        return networks(self.webhook_denied_networks)

    @field_validator("webhook_denied_networks")
    @classmethod
    def _are_networks(cls, text: str) -> str:
        networks(text)
        return text
