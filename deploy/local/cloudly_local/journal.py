"""The supervisor's own events: into its log file, in the shape of every other process' events."""

import json
from datetime import UTC, datetime
from pathlib import Path


class Journal:
    """Appends events to a log file."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def tell(self, event: str, *, level: str = "info", **fields: object) -> None:
        """Write an event down."""
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps(
            {"event": event, "level": level, "time": time, "service": "supervisor", **fields}, default=str
        )
        with self._log.open("a") as stream:
            stream.write(line + "\n")
