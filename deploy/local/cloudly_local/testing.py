"""For tests: runs a suite of example processes as a program of its own, and looks at it from outside."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cloudly_local.proc import ProcessIdentity
from cloudly_local.status import ProcessStatus, SuiteStatus, read_status

PATIENCE_SECONDS = 30.0


def eventually(condition: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds:g} s in vain: {what}")
        time.sleep(0.02)


class SmallSuite:
    """A suite of example processes in a directory of its own."""

    def __init__(self, data: Path, program: Path) -> None:
        self.data = data
        self._program = program
        self.process: subprocess.Popen[bytes] | None = None
        self._seen: set[int] = set()

    def start(self, *processes: str) -> "SmallSuite":
        """Start it with `name=function` processes."""
        arguments = [sys.executable, str(self._program), str(self.data), *processes]
        self.process = subprocess.Popen(arguments, start_new_session=True)
        return self

    def again(self) -> "SmallSuite":
        """Another one in the same directory."""
        return SmallSuite(self.data, self._program)

    def wait_until_ready(self) -> "SmallSuite":
        """Until everything is healthy."""
        eventually(lambda: (status := self.status()) and status.ready, "everything is healthy")
        return self

    def status(self) -> SuiteStatus | None:
        """What `cloudly-local status` sees."""
        found = read_status(self.data)
        if found is not None:
            self._seen |= {process.pid for process in found.processes if process.pid}
        return found

    def of(self, name: str) -> ProcessStatus:
        """The state of one process."""
        status = self.status()
        assert status is not None
        return next(process for process in status.processes if process.name == name)

    def events(self, name: str) -> list[str]:
        """The supervisor's events by a name."""
        log = self.data / "logs" / "supervisor.log"
        return [line for line in log.read_text().splitlines() if f'"{name}"' in line]

    def stop(self) -> None:
        """Stop it in order."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE_SECONDS)

    def kill_supervisor(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def clean_up(self) -> None:
        """Leave nothing behind, whatever the test did."""
        if self.process is not None and self.process.poll() is None:
            self.kill_supervisor()
        for pid in self._seen:
            identity = ProcessIdentity.of(pid)
            if identity is not None and "cloudly_local.zygote" in identity.command:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
