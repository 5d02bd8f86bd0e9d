"""Settings of tasks, read from the environment."""

from cloudly_kit.config import ServiceSettings
from pydantic import Field


class Settings(ServiceSettings):
    """What the tasks service can be told beyond what all services can."""

    health_check_seconds: float = Field(
        5.0,
        gt=0,
        le=60,
        validation_alias="CLOUDLY_TASKS_HEALTH_CHECK_SECONDS",
        description="How long the health check waits for a service's answer.",
    )
