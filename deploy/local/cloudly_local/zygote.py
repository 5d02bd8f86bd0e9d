"""The process that all Python services are forked from: it imports everything once, then forks a child when told.

It starts no event loop, no thread and no gRPC, since none of these survives a fork. It talks with the supervisor over a
SOCK_SEQPACKET pair, one JSON object a packet:

    ->  {"import": ["cloudly_auth.main", …]}    the first packet
    ->  {"fork": 7, "name": "auth", "call": "cloudly_auth.main:main", "env": {…}}    the log's descriptor comes with it
    <-  {"ready": true, "seconds": 1.4, "threads": 1, "failed": {"cloudly_x.main": "ImportError: …"}}
    <-  {"forked": 7, "pid": 4711}
    <-  {"exited": 4711, "status": 0}         minus the signal's number where a signal ended it

When the supervisor is gone (end of file) it ends its children, and then itself.
"""

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable

from cloudly_local.lifeline import adopt_orphans, die_with_parent, name_process
from cloudly_local.proc import thread_count

LARGEST_PACKET = 1 << 20
FAREWELL_SECONDS = 8.0
"""How long children may take to end once the supervisor is gone."""

Entry = Callable[[], object]


def main() -> None:
    """`python -m cloudly_local.zygote DESCRIPTOR`; in a child, this returns when the child's function does."""
    control = socket.socket(fileno=int(sys.argv[1]))
    name_process("cloudly-zygote")
    adopt_orphans()
    entry = _Zygote(control).run()
    if entry is not None:
        entry()


class _Zygote:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, str] = {}
        self._woken, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        # Orders to stop come by way of the supervisor, never from a terminal.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)

    def run(self) -> Entry | None:
        """Serve until the supervisor is gone; in a child, return what it shall run."""
        first = self._control.recv(LARGEST_PACKET)
        self._preload(json.loads(first)["import"] if first else [])
        while True:
            readable = select.select([self._control.fileno(), self._woken], [], [])[0]
            if self._woken in readable:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._woken, 4096)
                self._reap()
            if self._control.fileno() in readable:
                packet, descriptors, _, _ = socket.recv_fds(self._control, LARGEST_PACKET, 1)
                if not packet:
                    self._farewell()
                    return None
                entry = self._fork(json.loads(packet), descriptors[0])
                if entry is not None:
                    return entry

    def _preload(self, modules: list[str]) -> None:
        started = time.perf_counter()
        failed = {}
        gc.disable()
        for module in modules:
            try:
                importlib.import_module(module)
            except Exception as error:  # noqa: BLE001 - told to the supervisor; the others shall start all the same
                failed[module] = f"{type(error).__name__}: {error}"
        # Objects in the permanent generation are never visited, so their pages stay shared with the children. Nothing is
        # collected before: the holes would be filled by the children, each copying the page around its own.
        gc.freeze()
        seconds = time.perf_counter() - started
        self._tell(ready=True, seconds=round(seconds, 3), threads=thread_count(os.getpid()), failed=failed)

    def _fork(self, order: dict[str, object], log: int) -> Entry | None:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            return self._become(order, log, parent)
        os.close(log)
        self._children[pid] = str(order["name"])
        self._tell(forked=order["fork"], pid=pid)
        return None

    def _become(self, order: dict[str, object], log: int, parent: int) -> Entry:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        die_with_parent(parent)
        gc.enable()
        self._control.close()
        os.close(self._woken)
        os.close(self._waker)
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.close(nothing)
        os.close(log)
        name = str(order["name"])
        name_process(name)
        sys.argv = [name]
        environment = order["env"]
        assert isinstance(environment, dict)
        os.environ.clear()
        os.environ.update(environment)
        module, _, function = str(order["call"]).partition(":")
        entry: Entry = getattr(importlib.import_module(module), function)
        return entry

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            # A pid that is not in the table was an adopted orphan: it is reaped, and that is all there is to do.
            if self._children.pop(pid, None) is not None:
                self._tell(exited=pid, status=os.waitstatus_to_exitcode(status))

    def _farewell(self) -> None:
        deadline = time.monotonic() + FAREWELL_SECONDS
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in self._children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            while self._children and time.monotonic() < deadline:
                select.select([self._woken], [], [], max(0.0, deadline - time.monotonic()))
                with contextlib.suppress(BlockingIOError):
                    os.read(self._woken, 4096)
                self._reap()
            deadline += 1.0

    def _tell(self, **report: object) -> None:
        # The supervisor may be gone in this very moment; the end of file that follows is handled in `run`.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._control.send(json.dumps(report).encode())


if __name__ == "__main__":
    main()
