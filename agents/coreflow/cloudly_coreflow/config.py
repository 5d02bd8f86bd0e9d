"""The agent's settings, from the environment."""

import ipaddress
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


def default_state_dir() -> Path:
    """~/.coreflow, or ./.coreflow for a user without a home."""
    try:
        home = Path.home()
    except RuntimeError:
        return Path(".coreflow")
    return (home if home.is_dir() else Path()) / ".coreflow"


class Settings(BaseSettings):
    """What coreflow can be told."""

    model_config = SettingsConfigDict(extra="ignore", populate_by_name=True, env_ignore_empty=True)

    cloudly_url: str = Field(
        validation_alias="CLOUDLY_URL",
        description="Cloudly's address, such as https://cloudly.example.com. A name alone means https; localhost or an IP "
        "address alone http, since those have no public certificate.",
    )
    agent_url: str = Field(
        "", validation_alias="CLOUDLY_AGENT_URL", description="Another address for the agent's stream (Envoy directly)."
    )
    ca_file: Path | None = Field(
        None,
        validation_alias="COREFLOW_CA_FILE",
        description="PEM certificates to trust for Cloudly instead of the system's.",
    )
    jump_code: SecretStr = Field(
        validation_alias="JUMPCODE", description="The cluster's jump code, as `cloudly cluster create` printed it."
    )
    state_dir: Path = Field(
        default_factory=default_state_dir,
        validation_alias="COREFLOW_STATE_DIR",
        description="Where the agent keeps its identity and the last good configuration: ~/.coreflow, else ./.coreflow.",
    )
    docker_host: str = Field(
        "unix:///var/run/docker.sock",
        validation_alias="DOCKER_HOST",
        description="The Docker engine, a manager of the Swarm.",
    )
    network_subnet: str = Field(
        "",
        validation_alias="COREFLOW_NETWORK_SUBNET",
        description="Subnet of the overlay network when it is made, such as 10.77.0.0/16; empty: the engine's choice, "
        "mostly for some 250 containers.",
    )
    traffic_port: int = Field(
        80,
        ge=0,
        le=65535,
        validation_alias="COREFLOW_TRAFFIC_PORT",
        description="The host port on which workloads' domains are served; 0 removes coretraffic.",
    )
    advertise_address: str = Field(
        "",
        validation_alias="COREFLOW_ADVERTISE_ADDRESS",
        description="Where coretraffic reaches this agent, when that is not the gateway of docker_gwbridge.",
    )
    log_level: str = Field(
        "info",
        validation_alias="COREFLOW_LOG_LEVEL",
        pattern="(?i)^(debug|info|warning|error)$",
        description="From which level on to log: debug, info, warning or error.",
    )

    @field_validator("cloudly_url", "agent_url")
    @classmethod
    def _names_a_host(cls, value: str) -> str:
        if value and not _split(value).hostname:
            raise ValueError("must be http(s)://host[:port] or a host")
        return value

    @property
    def target(self) -> tuple[str, bool]:
        """The stream's address as a gRPC target, and whether it speaks TLS."""
        parts = _split(self.agent_url or self.cloudly_url)
        secure = parts.scheme != "http"
        host = parts.hostname or ""
        return f"{f'[{host}]' if ':' in host else host}:{parts.port or (443 if secure else 80)}", secure


def _split(url: str) -> SplitResult:
    if "://" in url:
        return urlsplit(url)
    host = urlsplit(f"//{url}").hostname or ""
    return urlsplit(f"{'http' if host == 'localhost' or _is_address(host) else 'https'}://{url}")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
