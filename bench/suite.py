"""The whole suite on this machine: seconds from `up` to a page that answers, CPU and memory (PSS) by process. The peer is
the same suite with every Python process in an interpreter of its own, instead of forked from one that imported everything.
"""

import asyncio
import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import psutil
from cloudly_local.config import LocalSettings
from cloudly_local.journal import Journal
from cloudly_local.keys import make_key_pairs
from cloudly_local.layout import Layout
from cloudly_local.ports import free_loopback_ports
from cloudly_local.processes import IDENTITIES, PythonProcess
from cloudly_local.servers import Server
from cloudly_local.single import Lock
from cloudly_local.status import ProcessStatus, SuiteStatus, read_status
from cloudly_local.suite import Suite, assemble
from cloudly_local.supervisor import Supervisor

START_SECONDS = 120.0
OWN_INTERPRETERS = "--own-interpreters"


@dataclass(frozen=True)
class Measured:
    """One start."""

    seconds: float
    """From the command to a page that answers."""
    stop_seconds: float
    cpu_seconds: float
    """Of all processes, until everything was healthy."""
    processes: list[ProcessStatus]

    @property
    def mib(self) -> float:
        """PSS of all processes together."""
        return sum(process.pss_mib for process in self.processes)


def main() -> int:
    """Measure and print."""
    forked_first, forked = _starts([])
    _, separate = _starts([OWN_INTERPRETERS])
    print(f"{'process':<18}{'PSS MiB':>9}")
    for process in forked.processes:
        print(f"{process.name:<18}{process.pss_mib:>9.1f}")
    print()
    print(f"{'':<34}{'up s':>7}{'CPU s':>8}{'PSS MiB':>9}{'down s':>8}")
    rows = {"forked, first start": forked_first, "forked": forked, "own interpreters (the peer)": separate}
    for name, row in rows.items():
        print(f"{name:<34}{row.seconds:>7.1f}{row.cpu_seconds:>8.1f}{row.mib:>9.0f}{row.stop_seconds:>8.1f}")
    print(
        f"ratio to the peer: {separate.seconds / forked.seconds:.1f} times faster, "
        f"{separate.cpu_seconds / forked.cpu_seconds:.1f} times less CPU, {separate.mib / forked.mib:.1f} times less memory"
    )
    return 0


def _starts(mode: list[str]) -> tuple[Measured, Measured]:
    """The first start in an empty directory, and one after it."""
    directory = Path(tempfile.mkdtemp(prefix="cl-bench-"))
    try:
        return _start(directory / "data", mode), _start(directory / "data", mode)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _start(data: Path, mode: list[str]) -> Measured:
    port = free_loopback_ports(["public"])["public"]
    command = [str(Path(sys.executable).with_name("cloudly-local")), "up", "--port", str(port), "--data", str(data)]
    if mode:
        command = [sys.executable, "-m", "bench.suite", *mode, str(port), str(data)]
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not _answers(f"http://127.0.0.1:{port}/"):
            _require(process.poll() is None and time.monotonic() - began < START_SECONDS, "the page never answered")
            time.sleep(0.02)
        seconds = time.monotonic() - began
        while not ((status := read_status(data)) and status.ready):
            _require(time.monotonic() - began < START_SECONDS, "it never became healthy")
            time.sleep(0.02)
        cpu = _cpu_seconds(status)
        processes = status.processes
    finally:
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait()
    return Measured(seconds, time.monotonic() - began, cpu, processes)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except urllib.error.HTTPError as error:
        return error.code == 404  # No dashboard was built; the gateway says so.
    except OSError:
        return False


def _cpu_seconds(status: SuiteStatus) -> float:
    times = [psutil.Process(process.pid).cpu_times() for process in status.processes if process.pid]
    return sum(each.user + each.system for each in times)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise RuntimeError(message)


def _own_interpreters(port: int, data: Path) -> None:
    """`up`, with every Python process as a program of its own."""
    layout = Layout.at(data)
    layout.make()
    Lock(layout).acquire()
    make_key_pairs(layout.keys, IDENTITIES)
    settings = LocalSettings().model_copy(update={"public_port": port})
    suite = assemble(settings, layout, port)
    os.environ.update(suite.environment)
    programs = [_as_program(suite, process) for process in suite.processes]
    # Each stands behind those that it needs.
    stores = [server for server in suite.servers if not server.needs]
    proxies = [server for server in suite.servers if server.needs]
    suite = dataclasses.replace(suite, processes=[], modules=[], servers=[*stores, *programs, *proxies])
    asyncio.run(Supervisor(suite, Journal(layout.log("supervisor"))).run())


def _as_program(suite: Suite, process: PythonProcess) -> Server:
    probe = suite.probe_of(process)

    async def stays() -> bool:
        await asyncio.sleep(0.5)
        return True

    arguments = [sys.executable, "-m", "cloudly_local.container", process.name]
    return Server(process.name, arguments, probe or stays, process.needs)


if __name__ == "__main__":
    if sys.argv[1:2] == [OWN_INTERPRETERS]:
        _own_interpreters(int(sys.argv[2]), Path(sys.argv[3]))
    else:
        sys.exit(main())
