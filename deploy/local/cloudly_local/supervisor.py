"""The supervisor: starts everything in the order of health, keeps it running, and stops it in the reverse order."""

import asyncio
import os
import resource
import signal
import time
from collections.abc import Callable, Iterable

from cloudly_local import probes
from cloudly_local.forkserver import ForkServer
from cloudly_local.handles import Handle, Program
from cloudly_local.journal import Journal
from cloudly_local.lifeline import adopt_orphans, name_process
from cloudly_local.log_files import cut
from cloudly_local.proc import ProcessIdentity
from cloudly_local.process import WATCH_SECONDS, Need, ProcessState, Start, Supervised
from cloudly_local.processes import PythonProcess
from cloudly_local.servers import Server
from cloudly_local.status import write_status
from cloudly_local.suite import Suite

ZYGOTE = "zygote"
CUT_SECONDS = 60.0
OPEN_FILES = 65_536


class Supervisor:
    """Runs one suite."""

    def __init__(self, suite: Suite, journal: Journal) -> None:
        self.ready = asyncio.Event()
        """Set for good when everything has been healthy at once."""
        self._suite = suite
        self._journal = journal
        identity = ProcessIdentity.of(os.getpid())
        assert identity is not None
        self._identity = identity
        self._zygote: ForkServer | None = None
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._changed = asyncio.Event()
        self._elsewhere = {name: _Elsewhere(name, probe, self._changed.set) for name, probe in suite.elsewhere.items()}
        self._supervised: dict[str, Supervised] = {}
        self._add_all()

    def __getitem__(self, name: str) -> Supervised:
        """A process by its name."""
        return self._supervised[name]

    def processes(self) -> list[Supervised]:
        """All processes, in the order of the table."""
        return list(self._supervised.values())

    def stop(self) -> None:
        """Begin the orderly end; told so a second time, do not wait for anybody."""
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    async def run(self) -> None:
        """Keep everything running until `stop`, SIGINT, SIGTERM or SIGHUP."""
        name_process("cloudly-local")
        adopt_orphans()
        _allow_many_connections()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self.stop)
        began = time.monotonic()
        self._journal.tell("suite.starting", processes=len(self._supervised))
        async with asyncio.TaskGroup() as group:
            aides = [
                group.create_task(self._write_states(began), name="states"),
                group.create_task(self._keep_logs_small(), name="logs"),
                group.create_task(self._kill_when_hurried(), name="hurry"),
                *(group.create_task(store.watch(), name=name) for name, store in self._elsewhere.items()),
            ]
            for name, supervised in self._supervised.items():
                group.create_task(supervised.run(), name=name)
            await self._stop.wait()
            self._journal.tell("suite.stopping")
            for rank in self._ranks():
                await asyncio.gather(*(supervised.stop() for supervised in rank))
            for aide in aides:
                aide.cancel()
        self._suite.layout.suite.unlink(missing_ok=True)
        self._journal.tell("suite.stopped")

    def _add_all(self) -> None:
        suite = self._suite

        async def zygote_is_ready() -> bool:
            return self._zygote is not None and self._zygote.ready.is_set()

        first = [server for server in suite.servers if not server.needs]
        for server in first:
            self._add(server.name, self._start_program(server), server.probe, ())
        self._add(ZYGOTE, self._start_zygote, zygote_is_ready, ())
        for process in suite.processes:
            self._add(process.name, self._start_fork(process), suite.probe_of(process), (ZYGOTE, *process.needs))
        for server in suite.servers:
            if server not in first:
                self._add(server.name, self._start_program(server), server.probe, server.needs)

    def _add(self, name: str, start: Start, probe: probes.Probe | None, needs: Iterable[str]) -> None:
        layout = self._suite.layout
        self._supervised[name] = Supervised(
            name=name,
            start=start,
            probe=probe,
            log=layout.log(name),
            pid_file=layout.pid_file(name),
            needs=[self._need(need) for need in needs],
            tell=self._journal.tell,
            changed=self._changed.set,
        )

    def _need(self, name: str) -> Need:
        return self._elsewhere[name] if name in self._elsewhere else self._supervised[name]

    def _start_program(self, server: Server) -> Start:
        async def start() -> Handle:
            return Program.start(server.arguments, os.environ, self._suite.layout.log(server.name))

        return start

    def _start_fork(self, process: PythonProcess) -> Start:
        async def start() -> Handle:
            if self._zygote is None:
                raise ConnectionResetError("there is no zygote")
            environment = self._suite.environment_of(process)
            return await self._zygote.fork(
                process.name, process.call, environment, self._suite.layout.log(process.name)
            )

        return start

    async def _start_zygote(self) -> Handle:
        suite = self._suite
        log = suite.layout.log(ZYGOTE)
        self._zygote = ForkServer.start(suite.modules, suite.environment, log, self._journal.tell)
        return self._zygote

    def _ranks(self) -> list[list[Supervised]]:
        """Who is stopped together, in order: nobody before those that need it."""
        depths: dict[str, int] = {}
        for name, supervised in self._supervised.items():
            depths[name] = 1 + max((depths.get(need.state.name, 0) for need in supervised.needs), default=0)
        return [
            [self._supervised[name] for name, depth in depths.items() if depth == rank]
            for rank in range(max(depths.values()), 0, -1)
        ]

    async def _write_states(self, began: float) -> None:
        layout = self._suite.layout
        while True:
            self._changed.clear()
            states = [self._need(name).state for name in (*self._elsewhere, *self._supervised)]
            if not self.ready.is_set() and all(state.healthy for state in states):
                self.ready.set()
                self._journal.tell("suite.ready", seconds=round(time.monotonic() - began, 2), url=self._suite.url)
            write_status(layout.suite, self._identity, self._suite.url, ready=self.ready.is_set(), states=states)
            await self._changed.wait()

    async def _keep_logs_small(self) -> None:
        while True:
            await asyncio.sleep(CUT_SECONDS)
            for log in self._suite.layout.logs.glob("*.log"):
                cut(log)

    async def _kill_when_hurried(self) -> None:
        await self._hurry.wait()
        self._journal.tell("suite.hurried", level="warning")
        for supervised in self._supervised.values():
            supervised.kill()


def _allow_many_connections() -> None:
    """Let this process and its children open many files: each agent's stream is one, in every proxy on its way."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class _Elsewhere:
    """A store that is not ours to start: only its health is looked at."""

    def __init__(self, name: str, probe: probes.Probe, changed: Callable[[], None]) -> None:
        self.state = ProcessState(name, "external")
        self.healthy = asyncio.Event()
        self._probe = probe
        self._changed = changed

    async def watch(self) -> None:
        """Look at it for ever."""
        while True:
            healthy = await probes.healthy(self._probe)
            if healthy != self.state.healthy:
                self.state.healthy = healthy
                self.state.detail = "" if healthy else "cannot be reached"
                self._changed()
            if healthy:
                self.healthy.set()
            await asyncio.sleep(WATCH_SECONDS if healthy else 0.5)
