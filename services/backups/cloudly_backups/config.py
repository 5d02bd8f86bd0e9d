"""Settings of backups, read from the environment."""

from cloudly_kit.config import ServiceSettings
from pydantic import Field


class Settings(ServiceSettings):
    """What the backups service can be told beyond what all services can."""

    due_slots_kept_days: int = Field(
        30,
        ge=1,
        le=3650,
        validation_alias="CLOUDLY_BACKUP_DUE_SLOTS_KEPT_DAYS",
        description="How long the slots that policies made due are kept.",
    )
