"""One supervised process: started when what it needs is healthy, watched, started again when it ends, and stopped."""

import asyncio
import contextlib
import random
import signal
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cloudly_local import probes
from cloudly_local.handles import ZYGOTE_GONE, Handle
from cloudly_local.log_files import rotate
from cloudly_local.proc import ProcessIdentity

START_SECONDS = 60.0
"""A process that is not healthy by then is started anew."""
SETTLE_SECONDS = 0.5
STOP_SECONDS = 10.0
"""How long a process may take to end in order; more than the services' own grace of five seconds."""
WATCH_SECONDS = 5.0
UNWELL_PROBES = 6
"""So many failed probes in a row (half a minute and more) and the process is started anew: a busy machine is no failure."""
STABLE_SECONDS = 30.0
"""Healthy for so long, a process has earned a fresh back-off."""
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 30.0
LOOP_ENDS, LOOP_SECONDS = 5, 120.0
"""So many ends within this time are a crash loop, and are called one."""

Start = Callable[[], Awaitable[Handle]]
Tell = Callable[..., None]


@dataclass
class ProcessState:
    """How a process does, for `status`."""

    name: str
    state: str = "waiting"
    """waiting, starting, running, pausing, crash-loop, stopping, stopped, external."""
    healthy: bool = False
    pid: int = 0
    restarts: int = 0
    detail: str = ""


class Need(Protocol):
    """What a process needs to be healthy before it is started."""

    state: ProcessState
    healthy: asyncio.Event


@dataclass
class Supervised:
    """A process that shall run. `needs` are those that must be healthy before it is started."""

    name: str
    start: Start
    probe: probes.Probe | None
    """None: a worker serves nothing that could be asked; it is healthy when it stays."""
    log: Path
    pid_file: Path
    needs: Sequence[Need]
    tell: Tell
    changed: Callable[[], None]
    state: ProcessState = field(init=False)
    healthy: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    failing: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    """Set when it is in a crash loop."""

    def __post_init__(self) -> None:
        self.state = ProcessState(self.name)
        self._handle: Handle | None = None
        self._stopping = asyncio.Event()
        self._finished = asyncio.Event()
        self._ends: deque[float] = deque(maxlen=LOOP_ENDS)

    async def run(self) -> None:
        """Keep it running until `stop`."""
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            for need in self.needs:
                await self._unless_stopped(need.healthy.wait())
            if self._stopping.is_set():
                break
            began = time.monotonic()
            status = await self._one_life()
            if self._stopping.is_set():
                break
            if time.monotonic() - began > STABLE_SECONDS:
                pause = FIRST_PAUSE
            self._note_end(status)
            await self._unless_stopped(asyncio.sleep(pause * random.uniform(0.8, 1.2)))
            pause = min(pause * 2, LONGEST_PAUSE)
            self.state.restarts += 1
        self._show("stopped", healthy=False, pid=0, detail="")
        self._finished.set()

    async def stop(self, seconds: float = STOP_SECONDS) -> None:
        """Have it end in order, within a bound; then kill it. It is not started again. Returns when it is gone."""
        self._stopping.set()
        if self._handle is not None:
            self._show("stopping", healthy=False)
            self._handle.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(seconds):
                await self._finished.wait()
        except TimeoutError:
            self.tell("process.killed", level="warning", process=self.name, reason=f"did not end within {seconds:g} s")
            self.kill()
            await self._finished.wait()

    def kill(self) -> None:
        """End it at once."""
        if self._handle is not None:
            self._handle.signal(signal.SIGKILL)

    async def _one_life(self) -> int | str:
        self._show("starting", healthy=False)
        rotate(self.log)
        try:
            self._handle = handle = await self.start()
        except OSError as error:
            return f"cannot be started: {error}"
        identity = ProcessIdentity.of(handle.pid)
        if identity is not None:
            identity.write(self.pid_file)
        self._show("starting", pid=handle.pid)
        if self._stopping.is_set():
            # Told to stop while it was being started.
            handle.signal(signal.SIGTERM)
        ended = asyncio.create_task(handle.wait(), name=f"{self.name}.wait")
        watch = asyncio.create_task(self._watch(), name=f"{self.name}.watch")
        try:
            await asyncio.wait([ended, watch], return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                reason = watch.result()
                self.tell("process.unwell", level="warning", process=self.name, reason=reason)
                await self._end(handle, ended)
            return await ended
        finally:
            for task in (watch, ended):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, OSError):
                    await task
            self._handle = None
            self.healthy.clear()
            self.pid_file.unlink(missing_ok=True)
            self._show(self.state.state, healthy=False, pid=0)

    async def _end(self, handle: Handle, ended: asyncio.Task[int]) -> None:
        handle.signal(signal.SIGTERM)
        await asyncio.wait([ended], timeout=STOP_SECONDS)
        handle.signal(signal.SIGKILL)

    async def _watch(self) -> str:
        """Say when it is healthy; return, with the reason, only when it must be started anew."""
        began = time.monotonic()
        deadline = began + START_SECONDS
        pause = 0.02
        if self.probe is None:
            # All that can be seen of it is that it has not ended.
            await asyncio.sleep(SETTLE_SECONDS)
        while self.probe is not None and not await probes.healthy(self.probe):
            if time.monotonic() > deadline:
                return f"not healthy after {START_SECONDS:g} s"
            await asyncio.sleep(pause)
            pause = min(pause * 1.3, 0.2)
        self.failing.clear()
        self.healthy.set()
        self._show("running", healthy=True, detail="")
        self.tell("process.healthy", process=self.name, seconds=round(time.monotonic() - began, 2))
        failures = 0
        while failures < UNWELL_PROBES:
            await asyncio.sleep(WATCH_SECONDS)
            failures = failures + 1 if self.probe is not None and not await probes.healthy(self.probe) else 0
            if self.state.healthy != (failures == 0):
                self._show("running", healthy=failures == 0)
        return f"{failures} probes in a row went unanswered"

    def _note_end(self, status: int | str) -> None:
        reason = status if isinstance(status, str) else describe_status(status)
        now = time.monotonic()
        self._ends.append(now)
        looping = len(self._ends) == LOOP_ENDS and now - self._ends[0] < LOOP_SECONDS
        self._show("crash-loop" if looping else "pausing", detail=reason)
        self.tell("process.ended", level="warning", process=self.name, reason=reason)
        if looping and not self.failing.is_set():
            self.failing.set()
            self.tell(
                "process.crash_loop",
                level="error",
                process=self.name,
                ends=LOOP_ENDS,
                within_seconds=round(now - self._ends[0]),
                log=str(self.log),
            )

    async def _unless_stopped(self, work: Awaitable[object]) -> None:
        """Wait for the work, or for `stop`, whichever is first."""
        tasks = [asyncio.ensure_future(work), asyncio.create_task(self._stopping.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    def _show(self, state: str, **fields: object) -> None:
        self.state.state = state
        for name, value in fields.items():
            setattr(self.state, name, value)
        self.changed()


def describe_status(status: int) -> str:
    """An exit status in words."""
    if status >= 0:
        return "ended with the zygote" if status == ZYGOTE_GONE else f"ended with status {status}"
    return f"ended by {signal.Signals(-status).name}"
