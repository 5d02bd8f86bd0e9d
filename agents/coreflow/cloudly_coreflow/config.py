"""The agent's settings, from the environment."""

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What coreflow can be told."""

    model_config = SettingsConfigDict(extra="ignore", populate_by_name=True, env_ignore_empty=True)

    cloudly_url: str = Field(
        validation_alias="CLOUDLY_URL", description="Cloudly's address, such as https://cloudly.example.com."
    )
    agent_url: str = Field(
        "", validation_alias="CLOUDLY_AGENT_URL", description="Another address for the agent's stream (Envoy directly)."
    )
    jump_code: SecretStr = Field(
        validation_alias="JUMPCODE", description="The cluster's jump code, as `cloudly cluster create` printed it."
    )
    state_dir: Path = Field(
        Path(".coreflow"),
        validation_alias="COREFLOW_STATE_DIR",
        description="Where the agent keeps its identity and the last good configuration.",
    )
    docker_host: str = Field(
        "unix:///var/run/docker.sock",
        validation_alias="DOCKER_HOST",
        description="The Docker engine, a manager of the Swarm.",
    )
    traffic_port: int = Field(
        80,
        ge=0,
        le=65535,
        validation_alias="COREFLOW_TRAFFIC_PORT",
        description="The host port on which workloads' domains are served; 0 switches coretraffic off.",
    )
    log_level: str = Field("info", validation_alias="COREFLOW_LOG_LEVEL", description="From which level on to log.")

    @property
    def target(self) -> tuple[str, bool]:
        """The stream's address as a gRPC target, and whether it speaks TLS."""
        url = self.agent_url or self.cloudly_url
        parts = urlsplit(url if "://" in url else f"http://{url}")
        secure = parts.scheme == "https"
        return f"{parts.hostname}:{parts.port or (443 if secure else 80)}", secure
