"""The settings of clusters."""

from cloudly_kit.config import ServiceSettings
from cloudly_providers import cloudflare, hetzner
from pydantic import Field


class Settings(ServiceSettings):
    """What clusters can be told, beyond what all services can."""

    heartbeat_seconds: int = Field(
        10, ge=1, le=300, validation_alias="CLOUDLY_AGENT_HEARTBEAT_SECONDS", description="How often agents report."
    )
    lease_seconds: int = Field(
        30,
        ge=2,
        le=900,
        validation_alias="CLOUDLY_AGENT_LEASE_SECONDS",
        description="After how long without a heartbeat an agent counts as offline.",
    )
    versions_kept: int = Field(
        25,
        ge=2,
        le=1000,
        validation_alias="CLOUDLY_WORKLOAD_VERSIONS_KEPT",
        description="How many versions of a workload can be rolled back to.",
    )
    hetzner_url: str = Field(
        hetzner.URL,
        validation_alias="CLOUDLY_HETZNER_URL",
        description="Where the Hetzner Cloud API is; another address is for a proxy, or for a stand-in in tests.",
    )
    cloudflare_url: str = Field(
        cloudflare.URL,
        validation_alias="CLOUDLY_CLOUDFLARE_URL",
        description="Where the Cloudflare API is; another address is for a proxy, or for a stand-in in tests.",
    )
