"""The state of the suite, as the supervisor writes it down and `cloudly-local status` reads it: cheap, no connection."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cloudly_local.layout import Layout
from cloudly_local.proc import ProcessIdentity, pss_mib, write_atomically
from cloudly_local.process import ProcessState
from cloudly_local.single import Lock


@dataclass(frozen=True)
class ProcessStatus:
    """One line of the table."""

    name: str
    pid: int
    state: str
    healthy: bool
    restarts: int
    detail: str
    uptime_seconds: float
    pss_mib: float


@dataclass(frozen=True)
class SuiteStatus:
    """The suite in a data directory."""

    url: str
    ready: bool
    """Everything has been healthy at once since the start."""
    supervisor: ProcessIdentity
    processes: list[ProcessStatus]


def write_status(
    file: Path, supervisor: ProcessIdentity, url: str, *, ready: bool, states: Iterable[ProcessState]
) -> None:
    """Write the state down for others."""
    content = {
        "url": url,
        "ready": ready,
        "supervisor": asdict(supervisor),
        "processes": [asdict(state) for state in states],
    }
    write_atomically(file, json.dumps(content))


def recorded_supervisor(layout: Layout) -> ProcessIdentity | None:
    """Who wrote the state down last, living or not."""
    recorded = _read(layout.suite)
    return None if recorded is None else ProcessIdentity(**recorded["supervisor"])


def read_status(data: Path) -> SuiteStatus | None:
    """The suite that runs in a data directory; None when none does. Memory and uptime are of this moment."""
    layout = Layout.at(data)
    recorded = _read(layout.suite)
    if recorded is None or not Lock(layout).is_held():
        return None
    supervisor = ProcessIdentity(**recorded["supervisor"])
    if not supervisor.is_alive():
        # What one that was killed wrote; its successor is just starting.
        return None
    states = [ProcessState("supervisor", "running", healthy=True, pid=supervisor.pid)]
    states += [ProcessState(**fields) for fields in recorded["processes"]]
    return SuiteStatus(recorded["url"], recorded["ready"], supervisor, [_measured(state) for state in states])


def _measured(state: ProcessState) -> ProcessStatus:
    identity = ProcessIdentity.of(state.pid) if state.pid else None
    return ProcessStatus(
        **asdict(state),
        uptime_seconds=identity.age_seconds() if identity else 0.0,
        pss_mib=pss_mib(state.pid) if identity else 0.0,
    )


def _read(file: Path) -> dict[str, Any] | None:
    # Any: it is JSON that `write_status` wrote.
    try:
        content = json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def table(status: SuiteStatus) -> str:
    """The status for people."""
    rows = [("PROCESS", "PID", "STATE", "HEALTH", "RESTARTS", "UPTIME", "PSS MiB")]
    rows += [
        (
            process.name,
            str(process.pid or "-"),
            process.state,
            "healthy" if process.healthy else "-",
            str(process.restarts),
            _span(process.uptime_seconds) if process.pid else "-",
            f"{process.pss_mib:.0f}" if process.pid else "-",
        )
        for process in status.processes
    ]
    total = sum(process.pss_mib for process in status.processes)
    rows.append(("total", "", "", "", "", "", f"{total:.0f}"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.rjust(width) if column in (1, 4, 5, 6) else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    notes = [f"{process.name}: {process.detail}" for process in status.processes if process.detail]
    return "\n".join([status.url, "", *lines, *notes])


def _span(seconds: float) -> str:
    minutes, whole = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{whole:02}s" if minutes else f"{whole}s"
