"""The supervisor's side of the zygote: starts it, has it fork, hears who ended, and cleans up when it dies itself."""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from cloudly_local.handles import ZYGOTE_GONE, Fork, Program, send
from cloudly_local.zygote import LARGEST_PACKET

FORK_SECONDS = 30.0
"""How long the answer to an order to fork may take; the first has to wait for the imports."""
ORPHANS_SECONDS = 8.0
"""How long the children of a zygote that died may take to end (they are told by the kernel) before they are killed."""


class ForkServer:
    """One life of the zygote; itself a Handle, so that it is watched as every other process is."""

    def __init__(self, program: Program, control: socket.socket, tell: Callable[..., None]) -> None:
        self.pid = program.pid
        self.ready = asyncio.Event()
        self.import_seconds = 0.0
        self._program = program
        self._control = control
        self._tell = tell
        self._orders = 0
        self._asked: dict[int, asyncio.Future[Fork]] = {}
        self._forks: dict[int, Fork] = {}

    @classmethod
    def start(
        cls, modules: Sequence[str], environment: Mapping[str, str], log: Path, tell: Callable[..., None]
    ) -> "ForkServer":
        """Start a zygote that imports `modules`; `tell(event, **fields)` hears what is worth a line in the log.

        Raises:
            OSError: it cannot be started.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            ours.setblocking(False)
            arguments = [sys.executable, "-m", "cloudly_local.zygote", str(theirs.fileno())]
            program = Program.start(arguments, environment, log, pass_fds=[theirs.fileno()])
        ours.send(json.dumps({"import": list(modules)}).encode())
        return cls(program, ours, tell)

    async def fork(self, name: str, call: str, environment: Mapping[str, str], log: Path) -> Fork:
        """Fork a child that runs `call` ("module:function") with just this environment, its output appended to `log`.

        Raises:
            OSError: the zygote is gone, or does not answer.
        """
        self._orders += 1
        number = self._orders
        answer: asyncio.Future[Fork] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        packet = json.dumps({"fork": number, "name": name, "call": call, "env": dict(environment)}).encode()
        try:
            async with asyncio.timeout(FORK_SECONDS):
                await self.ready.wait()
                with log.open("ab") as output:
                    await self._send(packet, output.fileno())
                return await answer
        finally:
            self._asked.pop(number, None)

    async def wait(self) -> int:
        """Hear the zygote out until it ends; its children are gone, too, when this returns."""
        loop = asyncio.get_running_loop()
        try:
            while packet := await loop.sock_recv(self._control, LARGEST_PACKET):
                self._hear(json.loads(packet))
        except ConnectionResetError:
            pass
        status = await self._program.wait()
        self._control.close()
        self.ready.set()
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(ConnectionResetError("the zygote is gone"))
        await self._end_orphans()
        return status

    def signal(self, number: int) -> None:
        """Told to end, it is let go of: it ends its children and then itself. Else as Handle says."""
        if number == signal.SIGTERM:
            # An error means that it has ended, or is about to.
            with suppress(OSError):
                self._control.shutdown(socket.SHUT_WR)
        else:
            self._program.signal(number)

    async def _send(self, packet: bytes, descriptor: int) -> None:
        while True:
            try:
                socket.send_fds(self._control, [packet], [descriptor])
            except BlockingIOError:
                # The zygote is busy with the orders before this one.
                await asyncio.sleep(0.01)
            else:
                return

    def _hear(self, report: dict[str, object]) -> None:
        match report:
            case {"forked": int(number), "pid": int(pid)}:
                fork = self._forks[pid] = Fork(pid)
                answer = self._asked.get(number)
                if answer is None or answer.done():
                    # Nobody waits for it any more.
                    send(pid, signal.SIGKILL)
                else:
                    answer.set_result(fork)
            case {"exited": int(pid), "status": int(status)}:
                ended = self._forks.pop(pid, None)
                if ended is not None:
                    ended.ended.set_result(status)
            case {"ready": True, "seconds": float(seconds), "threads": threads, "failed": dict(failed)}:
                self.import_seconds = seconds
                for module, reason in failed.items():
                    self._tell("zygote.import_failed", level="warning", module=module, reason=reason)
                if threads != 1:
                    self._tell("zygote.has_threads", level="warning", threads=threads)
                self.ready.set()
            case _:
                self._tell("zygote.unknown_report", level="warning", report=str(report))

    async def _end_orphans(self) -> None:
        """The zygote's children are ours now (we are a subreaper); the kernel told them to end when it died."""
        deadline = time.monotonic() + ORPHANS_SECONDS
        while self._forks:
            late = time.monotonic() > deadline
            for pid, fork in list(self._forks.items()):
                if late:
                    send(pid, signal.SIGKILL)
                if _reaped(pid):
                    del self._forks[pid]
                    fork.ended.set_result(ZYGOTE_GONE)
            await asyncio.sleep(0.02)


def _reaped(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        # Not ours: the zygote reaped it in its last moment.
        return True
