"""Settings of baseos, read from the environment."""

from cloudly_kit.config import ServiceSettings
from pydantic import Field


class Settings(ServiceSettings):
    """What the baseos service can be told beyond what all services can."""

    heartbeat_seconds: int = Field(
        30,
        ge=1,
        le=3600,
        validation_alias="CLOUDLY_BASEOS_HEARTBEAT_SECONDS",
        description="How often devices are asked to report; a device that misses three reports is OFFLINE.",
    )
