"""A running process as the supervisor holds it: either started from a program, or forked by the zygote."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from cloudly_local.lifeline import die_with_parent

ZYGOTE_GONE = 1_000
"""The exit status of a forked process whose end nobody could see, since the zygote had died before it."""


class Handle(Protocol):
    """A process that was started."""

    pid: int

    async def wait(self) -> int:
        """Its exit status, once it has ended; minus the signal's number where a signal ended it."""

    def signal(self, number: int) -> None:
        """Send it a signal, SIGKILL to its whole process group; nothing happens when it has ended."""


class Program:
    """A program that the supervisor started itself."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.pid = process.pid
        self._process = process
        loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = loop.create_future()
        # The descriptor becomes readable when the process ends (pidfd_open(2)): no thread, no SIGCHLD handler.
        self._watched = os.pidfd_open(process.pid)
        loop.add_reader(self._watched, self._end)

    @classmethod
    def start(
        cls, arguments: Sequence[str], environment: Mapping[str, str], log: Path, *, pass_fds: Sequence[int] = ()
    ) -> "Program":
        """Start it in a session of its own (no terminal reaches it), its output appended to `log`.

        Raises:
            OSError: it cannot be started.
        """
        parent = os.getpid()

        def prepare() -> None:
            die_with_parent(parent)

        with log.open("ab") as output:
            process = subprocess.Popen(
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                start_new_session=True,
                pass_fds=pass_fds,
                # Safe here: the supervisor has no threads, whose locks a fork would copy in the locked state.
                preexec_fn=prepare,  # noqa: PLW1509
            )
        return cls(process)

    async def wait(self) -> int:
        """See Handle."""
        return await asyncio.shield(self._ended)

    def signal(self, number: int) -> None:
        """See Handle."""
        if not self._ended.done():
            send(self.pid, number)

    def _end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._watched)
        os.close(self._watched)
        self._ended.set_result(self._process.wait())


class Fork:
    """A process that the zygote forked; the zygote reports its end."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        """See Handle."""
        return await asyncio.shield(self.ended)

    def signal(self, number: int) -> None:
        """See Handle."""
        if not self.ended.done():
            send(self.pid, number)


def send(pid: int, number: int) -> None:
    """Send a signal to a leader of a process group; SIGKILL goes to all of the group."""
    with suppress(ProcessLookupError):
        if number == signal.SIGKILL:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
