"""What /proc tells of processes: who one is (so that a pid that was given away again is never mistaken), its memory, and
who listens on a port.
"""

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

PROC = Path("/proc")
TCP_LISTEN = "0A"
"""The state LISTEN in /proc/net/tcp (proc(5))."""


@dataclass(frozen=True)
class ProcessIdentity:
    """A process beyond doubt: pids are given away again, but not at the same clock tick of the same boot."""

    pid: int
    start_ticks: int
    boot: str
    command: str

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity | None":
        """Who has this pid now; None when nobody does, or only a zombie that waits to be reaped."""
        try:
            # The name in parentheses may itself contain spaces and parentheses (proc(5)).
            fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
            command = (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except (FileNotFoundError, ProcessLookupError):
            return None
        if fields[0] in "ZX":
            return None
        return cls(pid, int(fields[19]), boot_id(), command)

    @classmethod
    def read(cls, file: Path) -> "ProcessIdentity | None":
        """What a pid file says; None when there is none or it was cut short."""
        try:
            return cls(**json.loads(file.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def write(self, file: Path) -> None:
        """Make the pid file."""
        write_atomically(file, json.dumps(asdict(self)) + "\n")

    def is_alive(self) -> bool:
        """Whether this very process still lives.

        A process between fork and exec still shows its parent's command line, so the command line is compared as well:
        where it differs we do not know the process well enough to touch it.
        """
        return ProcessIdentity.of(self.pid) == self

    def age_seconds(self) -> float:
        """Seconds since it was started."""
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - self.start_ticks / os.sysconf("SC_CLK_TCK"))


def boot_id() -> str:
    """Differs after every boot of the machine."""
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def pss_mib(pid: int) -> float:
    """The process' proportional set size in MiB (shared pages divided among those that share them); 0 when it is gone."""
    try:
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        pass
    return 0.0


def thread_count(pid: int) -> int:
    """How many threads a process has."""
    return len(list((PROC / str(pid) / "task").iterdir()))


def listener_of(port: int) -> str:
    """Who listens on a TCP port, as `pid 12 (nginx)`; empty when that cannot be found out."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = (PROC / "net" / table).read_text().splitlines()[1:]
        except FileNotFoundError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == TCP_LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    for directory in PROC.glob("[0-9]*") if inodes else ():
        try:
            for descriptor in (directory / "fd").iterdir():
                if os.readlink(descriptor) in inodes:
                    return f"pid {directory.name} ({(directory / 'comm').read_text().strip()})"
        except (PermissionError, FileNotFoundError, ProcessLookupError):
            continue
    return ""


def write_atomically(file: Path, text: str, mode: int = 0o600) -> None:
    """Replace a file so that a reader sees the old or the new one, never a part."""
    draft = file.with_name(f".{file.name}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    draft.replace(file)
