"""A Docker engine with Swarm for tests: a private `dockerd`, or the machine's own when CLOUDLY_TEST_DOCKER=host."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

SLOTS = 40
START_SECONDS = 60.0
STOP_SECONDS = 45.0


@dataclass(frozen=True)
class DockerEngine:
    """A reachable engine that is a Swarm manager."""

    # What DOCKER_HOST should be.
    host: str
    # The address at which containers reach this machine.
    gateway: str

    def docker(self, *arguments: str, stdin: bytes | None = None, check: bool = True) -> str:
        """What `docker <arguments>` prints; raises with its complaint when it fails."""
        done = subprocess.run(
            ["docker", "-H", self.host, *arguments], input=stdin, capture_output=True, timeout=120, check=False
        )
        if check and done.returncode != 0:
            raise RuntimeError(f"docker {' '.join(arguments)}: {done.stderr.decode()}")
        return done.stdout.decode().strip()

    def remove_services(self) -> None:
        """End every service and wait until its containers are gone."""
        services = self.docker("service", "ls", "-q").split()
        if services:
            self.docker("service", "rm", *services)
        deadline = time.monotonic() + 40
        while (left := self.docker("ps", "-aq").split()) and time.monotonic() < deadline:
            self.docker("rm", "-f", *left, check=False)
            time.sleep(0.2)


def why_no_docker() -> str:
    """Why no engine can be had here; empty when one can."""
    if _wants_the_machines_own():
        return "" if _answers(_machines_own()) else "CLOUDLY_TEST_DOCKER=host, but no engine answers"
    if os.geteuid() != 0:
        return "a private dockerd needs root"
    missing = [
        program for program in ("dockerd", "docker", "ip", "iptables", "setpriv") if shutil.which(program) is None
    ]
    return f"not installed: {', '.join(missing)}" if missing else ""


@contextlib.contextmanager
def running_engine(directory: Path) -> Iterator[DockerEngine]:
    """An engine with Swarm; a private one keeps everything below `directory` (short path) and is gone afterwards."""
    if _wants_the_machines_own():
        engine = DockerEngine(_machines_own(), "")
        if engine.docker("info", "-f", "{{.Swarm.LocalNodeState}}") != "active":
            engine.docker("swarm", "init", "--advertise-addr", "127.0.0.1")
        gateway = engine.docker("network", "inspect", "docker_gwbridge", "-f", "{{(index .IPAM.Config 0).Gateway}}")
        yield replace(engine, gateway=gateway)
        return
    with _free_slot(directory) as slot, _network(slot), _daemon(slot, directory) as engine:
        yield engine


@pytest.fixture(scope="session")
def docker_engine(scratch: Path) -> Iterator[DockerEngine]:
    """A Docker engine with Swarm, one for the session; skips where there can be none."""
    if reason := why_no_docker():
        pytest.skip(reason)
    with running_engine(scratch / "docker") as engine:
        yield engine


def _wants_the_machines_own() -> bool:
    return os.environ.get("CLOUDLY_TEST_DOCKER") == "host"


def _machines_own() -> str:
    return os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")


def _answers(host: str) -> bool:
    try:
        done = subprocess.run(["docker", "-H", host, "info"], capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


@contextlib.contextmanager
def _free_slot(directory: Path) -> Iterator[int]:
    """A number that no other private engine of this machine holds: its bridges, subnets and loopback address.

    What an engine that was killed left in its directory, mounts included, is taken away by the next that gets its number.
    """
    for slot in range(1, SLOTS + 1):
        with Path(f"/tmp/cloudly-dockerd-{slot}.lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            lock.seek(0)
            if left := lock.read():
                _remove_directory(Path(left))
            lock.truncate(0)
            lock.write(str(directory))
            lock.flush()
            try:
                yield slot
            finally:
                lock.truncate(0)
            return
    raise RuntimeError("too many private Docker engines run on this machine")


@contextlib.contextmanager
def _network(slot: int) -> Iterator[None]:
    """The engine's bridge while it runs; afterwards its bridges and firewall rules are taken away."""
    bridge, gateway_bridge = f"cdb{slot}", f"cdg{slot}"
    forward_policy = _forward_policy()
    _remove_links(bridge, gateway_bridge)
    _ip("link", "add", bridge, "type", "bridge")
    _ip("addr", "add", f"10.213.{slot}.1/24", "dev", bridge)
    _ip("link", "set", bridge, "up")
    try:
        yield
    finally:
        _remove_links(bridge, gateway_bridge)
        _remove_rules(bridge, gateway_bridge)
        _remove_chains_when_alone(forward_policy)


@contextlib.contextmanager
def _daemon(slot: int, directory: Path) -> Iterator[DockerEngine]:
    directory.mkdir(parents=True, exist_ok=True)
    engine = DockerEngine(f"unix://{directory}/docker.sock", f"10.216.{slot}.1")
    with (directory / "dockerd.log").open("ab") as log:
        process = subprocess.Popen(
            [
                *("setpriv", "--pdeathsig", "TERM", "dockerd"),
                f"--data-root={directory}/data",
                f"--exec-root={directory}/exec",
                f"--pidfile={directory}/pid",
                f"--host={engine.host}",
                f"--bridge=cdb{slot}",
                f"--default-address-pool=base=10.215.{slot}.0/24,size=26",
                "--shutdown-timeout=5",
                # Only tests' own loopback registries are meant.
                "--insecure-registry=localhost",
            ],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait_until_it_answers(engine, process, directory)
        _make_a_swarm(engine, slot)
        yield engine
    finally:
        _stop(engine, process)
        _remove_directory(directory)


def _make_a_swarm(engine: DockerEngine, slot: int) -> None:
    # Swarm takes a docker_gwbridge that exists already: so each engine has one of its own.
    bridge = "com.docker.network.bridge"
    options = [f"{bridge}.name=cdg{slot}", f"{bridge}.enable_icc=false", f"{bridge}.enable_ip_masquerade=true"]
    engine.docker(
        *("network", "create", "--subnet", f"10.216.{slot}.0/24"),
        *(part for option in options for part in ("--opt", option)),
        "docker_gwbridge",
    )
    # Its own loopback address, since the gossip port (7946) is fixed, and its own VXLAN port, since two engines use the
    # same network numbers: so does one that was killed, whose networks the kernel may still keep.
    address = f"127.0.0.{slot + 1}"
    engine.docker(
        *("swarm", "init", "--advertise-addr", address, "--listen-addr", f"{address}:{_free_port(address)}"),
        *("--data-path-port", str(_free_vxlan_port(slot))),
    )


def _wait_until_it_answers(engine: DockerEngine, process: subprocess.Popen[bytes], directory: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _answers(engine.host):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"dockerd did not start:\n{(directory / 'dockerd.log').read_text()[-3000:]}")
        time.sleep(0.1)


def _stop(engine: DockerEngine, process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        engine.docker("swarm", "leave", "--force", check=False)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            # containerd and its shims are in the same session.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def _free_vxlan_port(slot: int) -> int:
    """A port of this engine's own that no VXLAN interface of the machine listens on."""
    for port in range(20000 + slot, 30000, SLOTS + 1):
        with socket.socket(type=socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            return port
    raise RuntimeError(
        "every VXLAN port between 20000 and 30000 is taken: what killed Docker engines left needs a reboot"
    )


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=20)


def _remove_links(*names: str) -> None:
    for name in names:
        if Path(f"/sys/class/net/{name}").exists():
            _ip("link", "del", name)


def _remove_directory(directory: Path) -> None:
    mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for point in sorted((point for point in mounted if point.startswith(f"{directory}/")), reverse=True):
        subprocess.run(["umount", "-l", point], check=False, capture_output=True, timeout=20)
    shutil.rmtree(directory, ignore_errors=True)


def _forward_policy() -> str:
    listed = _iptables("filter", "-S", "FORWARD")
    return listed.splitlines()[0].split()[-1] if listed else "ACCEPT"


def _iptables(table: str, *arguments: str) -> str:
    done = subprocess.run(
        ["iptables", "-w", "10", "-t", table, *arguments], capture_output=True, text=True, timeout=30, check=False
    )
    return done.stdout


def _remove_rules(*bridges: str) -> None:
    for table in ("filter", "nat"):
        for rule in _iptables(table, "-S").splitlines():
            words = rule.split()
            if words[0] == "-A" and any(bridge in words for bridge in bridges):
                _iptables(table, "-D", *words[1:])


def _remove_chains_when_alone(forward_policy: str) -> None:
    """Docker's chains and its DROP policy go too, when no other bridge of Docker uses them."""
    if any(word in rule for rule in _iptables("nat", "-S", "POSTROUTING").splitlines() for word in ("docker", "cdb")):
        return
    for table in ("filter", "nat"):
        for rule in _iptables(table, "-S").splitlines():
            words = rule.split()
            if words[0] == "-A" and any(word.startswith("DOCKER") for word in words):
                _iptables(table, "-D", *words[1:])
        for rule in _iptables(table, "-S").splitlines():
            if rule.startswith("-N DOCKER"):
                _iptables(table, "-X", rule.split()[1])
    _iptables("filter", "-P", "FORWARD", forward_policy)


def describe(engine: DockerEngine) -> str:
    """The services and the newest tasks, for the message of a failed test."""
    services = engine.docker("service", "ls", check=False)
    names = engine.docker("service", "ls", "--format", "{{.Name}}", check=False).split()
    tasks = [
        engine.docker("service", "ps", "--no-trunc", "--format", "{{json .}}", name, check=False) for name in names
    ]
    rows = [json.loads(line) for text in tasks for line in text.splitlines()]
    shown = "\n".join(f"{row['Name']} {row['Image']} {row['CurrentState']} {row['Error']}" for row in rows)
    return f"{services}\n{shown}"
