"""One suite in a data directory: the lock that says so, and the clean-up of what a killed suite left behind."""

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Callable

from cloudly_local.handles import send
from cloudly_local.layout import Layout
from cloudly_local.proc import ProcessIdentity

RECLAIM_SECONDS = 10.0
"""How long orphans may take to end in order: longer than the zygote's farewell."""
DOWN_SECONDS = 60.0
"""How long a suite may take to stop, whatever its processes do."""


class Lock:
    """Held by the supervisor for as long as it lives; the kernel lets go of it with the process."""

    def __init__(self, layout: Layout) -> None:
        self._file = layout.lock

    def acquire(self) -> bool:
        """Whether it is ours now; not when another supervisor lives."""
        self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            return False
        return True

    def release(self) -> None:
        """Let another have it."""
        os.close(self._descriptor)

    def is_held(self) -> bool:
        """Whether a supervisor lives."""
        if not self._file.exists():
            return False
        if not self.acquire():
            return True
        self.release()
        return False


def reclaim(layout: Layout, tell: Callable[..., None]) -> int:
    """End the processes that a suite killed before left behind; how many there were. Only for the holder of the lock.

    A process is touched only when its pid, start time, boot and command line are those of the pid file.
    """
    orphans = {}
    for file in layout.run.glob("*.pid"):
        identity = ProcessIdentity.read(file)
        if identity is not None and identity.is_alive():
            orphans[file.stem] = identity
        file.unlink(missing_ok=True)
    for name, identity in orphans.items():
        tell("orphan.ending", process=name, pid=identity.pid)
        send(identity.pid, signal.SIGTERM)
    if not _gone(list(orphans.values()), RECLAIM_SECONDS):
        for name, identity in orphans.items():
            if identity.is_alive():
                tell("orphan.killed", level="warning", process=name, pid=identity.pid)
                send(identity.pid, signal.SIGKILL)
        _gone(list(orphans.values()), RECLAIM_SECONDS)
    return len(orphans)


def bring_down(layout: Layout, supervisor: ProcessIdentity | None, tell: Callable[..., None]) -> bool:
    """Stop the suite and whatever is left of one; whether there was anything to stop."""
    lock = Lock(layout)
    running = lock.is_held()
    if running and supervisor is not None and supervisor.is_alive():
        os.kill(supervisor.pid, signal.SIGTERM)
        deadline = time.monotonic() + DOWN_SECONDS
        while lock.is_held():
            if time.monotonic() > deadline and supervisor.is_alive():
                tell("supervisor.killed", level="warning", pid=supervisor.pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(supervisor.pid, signal.SIGKILL)
            time.sleep(0.05)
        # The lock goes a moment before its holder.
        _gone([supervisor], RECLAIM_SECONDS)
    if not layout.run.exists() or not lock.acquire():
        return running
    try:
        return reclaim(layout, tell) > 0 or running
    finally:
        lock.release()


def _gone(identities: list[ProcessIdentity], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(identity.is_alive() for identity in identities):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
