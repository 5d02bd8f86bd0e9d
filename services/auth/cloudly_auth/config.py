"""Settings of auth, read from the environment."""

from cloudly_kit.config import ServiceSettings
from pydantic import Field, SecretStr


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
    password_threads: int = Field(
        2,
        ge=1,
        le=64,
        validation_alias="CLOUDLY_PASSWORD_THREADS",
        description="How many passwords are checked at once; each takes a core and 19 MiB for some 20 ms.",
    )
