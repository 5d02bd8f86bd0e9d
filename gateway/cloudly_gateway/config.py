"""What the gateway can be told, beside what all processes can."""

from pathlib import Path

from cloudly_kit.config import HttpSettings
from pydantic import Field


class Settings(HttpSettings):
    """The gateway's settings."""

    listen: str = Field(
        "0.0.0.0:7080",
        validation_alias="CLOUDLY_GATEWAY_LISTEN",
        description="host:port of the HTTP server.",
    )
    web_dir: Path | None = Field(
        None,
        validation_alias="CLOUDLY_WEB_DIR",
        description="The dashboard's built files; default: `web/dist` here or beside the sources.",
    )

    @property
    def dashboard(self) -> Path:
        """Where the dashboard's files are, or would be."""
        if self.web_dir is not None:
            return self.web_dir
        here = Path("web/dist")
        beside_the_sources = Path(__file__).parents[2] / "web" / "dist"
        return here if here.is_dir() else beside_the_sources
