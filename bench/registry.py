"""The registry beside Debian's `docker-registry` (distribution 2.8) in one run: the same bytes, disk and client, by turns.

Cloudly runs as it is served: tokens are checked, Mongo holds the records, and nothing is acknowledged that a power cut would
take back. The peer runs without authentication, which favours it. CPU and memory are those of the registry with its Mongo
and Redis, and of the peer's one process. The client is blocking sockets on the same cores. Of several rounds the best counts
on both sides: what is between them is the machine. Blobs are unlinked after each phase, because a kernel that has to find
fresh pages (a virtual machine's host takes freed ones) halves the rate of any writer at random.
"""

import asyncio
import base64
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

import psutil
from cloudly_kit import logs
from cloudly_kit.testing import Mongo, Redis, free_port, wait_for_port
from cloudly_registry.testing import running_registry

from bench.bare_sendfile import served
from bench.http_rate import CONNECTIONS, answers_a_second
from bench.registry_client import MB, Blob, pull, push, push_manifest

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
PHASES = os.environ.get("BENCH_PHASES", "blobs,manifests,together,small,proxy").split(",")
"""What is measured, of ROUND and the proxy."""
LAYERS = [size * MB for size in (20, 40, 60, 80, 100)]
SMALL_LAYERS = [20_000] * 200
TOGETHER = 8
ADMIN = "Basic " + base64.b64encode(b"admin:admin-password").decode()
PEER = "docker-registry"


@dataclass
class Side:
    """A registry under measurement."""

    name: str
    port: int
    login: str
    blobs: Path
    processes: dict[str, psutil.Process]
    rates: dict[str, list[float]] = field(default_factory=dict)
    """Of each round."""
    cpu: dict[str, float] = field(default_factory=dict)
    bare: list[float] = field(default_factory=list)
    """Of each round, what its client takes of one of its files from `bare_sendfile`, in MB/s."""

    def authorisation(self, repository: str) -> dict[str, str]:
        """The header that lets a client push and pull there."""
        if not self.login:
            return {}
        connection = HTTPConnection("127.0.0.1", self.port)
        path = f"/v2/token?service=bench&scope=repository:{repository}:pull,push"
        connection.request("GET", path, headers={"Authorization": self.login})
        return {"Authorization": "Bearer " + json.loads(connection.getresponse().read())["token"]}

    def cpu_seconds(self) -> float:
        """Used so far."""
        times = [process.cpu_times() for process in self.processes.values()]
        return sum(each.user + each.system for each in times)

    def peak_mib(self) -> dict[str, float]:
        """Of each process."""
        return {name: _status_mib(process.pid, "VmHWM") for name, process in self.processes.items()}

    def unlink_blobs(self) -> None:
        """Give the pages back, so that the next writer gets them."""
        for path in self.blobs.rglob("*"):
            if path.is_file() and path.stat().st_size > 100_000:
                path.unlink()


def main() -> int:
    """Measure and print; 2 where the peer is missing."""
    program = shutil.which(PEER)
    if program is None:
        print(f"needs {PEER} (Debian package of that name)", file=sys.stderr)
        return 2
    directory = Path(tempfile.mkdtemp(prefix="cl-bench-"))
    logs.configure("bench", "error")
    mongo, redis = Mongo(directory / "mongo"), Redis(directory / "redis")
    mongo.start()
    redis.start()
    try:
        asyncio.run(_run(directory, program, mongo, redis))
    finally:
        mongo.stop()
        redis.stop()
        shutil.rmtree(directory, ignore_errors=True)
    return 0


async def _run(directory: Path, program: str, mongo: Mongo, redis: Redis) -> None:
    with _peer(program, directory / "peer") as peer:
        async with running_registry(directory / "ours", mongo.url, redis.url) as first, first.process() as registry:
            port = int(registry.settings.http_listen.rpartition(":")[2])
            ours = Side(
                "cloudly",
                port,
                ADMIN,
                registry.settings.data_dir / "objects",
                {
                    "registry": _listening(port),
                    "mongo": psutil.Process(mongo.process.pid if mongo.process else 0),
                    "redis": psutil.Process(redis.process.pid if redis.process else 0),
                },
            )
            await asyncio.to_thread(_measure, [ours, peer], directory)


def _measure(sides: Sequence[Side], directory: Path) -> None:
    for number in range(ROUNDS):
        for side in sides if number % 2 else sides[::-1]:
            _round(side, f"bench/r{number}")
    if "proxy" in PHASES:
        _measure_proxy(sides, directory)
    _print(*sides)


def _measure_proxy(sides: Sequence[Side], directory: Path) -> None:
    with _traefik(sides, directory / "traefik") as ports:
        for number in range(ROUNDS):
            for side, port in zip(sides, ports, strict=True):
                _through_proxy(side, port, f"bench/proxy{number}")


def _round(side: Side, name: str) -> None:
    head = side.authorisation(name)
    for phase in PHASES:
        if phase in ROUND:
            ROUND[phase](side, head, name)


def _push_and_pull(side: Side, head: dict[str, str], name: str) -> None:
    total = sum(LAYERS)
    for how, chunked in (("monolithic", False), ("chunked", True)):
        layers = [Blob.fresh(size) for size in LAYERS]
        with _measured(side, f"push {how}, MB/s", total):
            for layer in layers:
                push(side.port, head, name, layer, chunked=chunked)
        if not chunked:
            side.unlink_blobs()
    largest = max((path for path in side.blobs.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    with served(largest) as port:
        started = time.perf_counter()
        pull(port, head, name, layers[-1:] * 4)
        side.bare.append(4 * LAYERS[-1] / MB / (time.perf_counter() - started))
    for clients in (1, 4):
        with _measured(side, f"pull by {clients}, MB/s", total * clients):
            _in_threads(clients, lambda _: pull(side.port, head, name, layers), range(clients))
    side.unlink_blobs()


def _manifests(side: Side, head: dict[str, str], name: str) -> None:
    tags = [f"t{number}" for number in range(CONNECTIONS)]
    layer = Blob.fresh(1000)
    push(side.port, head, name, layer, chunked=False)
    digest = push_manifest(side.port, head, name, [layer], tags)
    for what, references in (("digest", [digest]), ("one tag", tags[:1]), (f"{len(tags)} tags", tags)):
        for method in ("GET", "HEAD"):
            paths = [f"/v2/{name}/manifests/{reference}" for reference in references]
            _keep(side, f"manifest {method} by {what}, 1/s", answers_a_second(side.port, head, method, paths))


def _together(side: Side, head: dict[str, str], name: str) -> None:
    several = [Blob.fresh(20 * MB) for _ in range(TOGETHER)]
    with _measured(side, f"{TOGETHER} pushes at once, MB/s", 20 * MB * TOGETHER):
        _in_threads(TOGETHER, lambda blob: push(side.port, head, name, blob, chunked=True), several)
    side.unlink_blobs()


def _small(side: Side, head: dict[str, str], name: str) -> None:
    small = [Blob.fresh(size) for size in SMALL_LAYERS]
    started, cpu = time.perf_counter(), side.cpu_seconds()
    _in_threads(5, lambda blob: push(side.port, head, name, blob, chunked=True, ask_first=True), small)
    push_manifest(side.port, head, name, small, ["latest"])
    _keep(side, "200 small layers pushed, layers/s", len(small) / (time.perf_counter() - started))
    _keep_cpu(side, "200 small layers pushed, layers/s", (side.cpu_seconds() - cpu) / len(small) * 1000)
    started = time.perf_counter()
    _in_threads(5, lambda blob: pull(side.port, head, name, [blob]), small)
    _keep(side, "200 small layers pulled, layers/s", len(small) / (time.perf_counter() - started))


ROUND: dict[str, Callable[[Side, dict[str, str], str], None]] = {
    "blobs": _push_and_pull,
    "manifests": _manifests,
    "together": _together,
    "small": _small,
}


def _through_proxy(side: Side, port: int, name: str) -> None:
    head = side.authorisation(name)
    layers = [Blob.fresh(size) for size in LAYERS[1:4]]
    total = sum(len(layer.data) for layer in layers)
    with _measured(side, "push through Traefik, MB/s", total):
        for layer in layers:
            push(port, head, name, layer, chunked=True)
    with _measured(side, "pull by 4 through Traefik, MB/s", total * 4):
        _in_threads(4, lambda _: pull(port, head, name, layers), range(4))
    side.unlink_blobs()


def _in_threads(count: int, work: Callable, inputs: Sequence) -> None:
    with ThreadPoolExecutor(count) as threads:
        list(threads.map(work, inputs))


@contextmanager
def _measured(side: Side, what: str, size: int) -> Iterator[None]:
    started, cpu = time.perf_counter(), side.cpu_seconds()
    yield
    _keep(side, what, size / MB / (time.perf_counter() - started))
    _keep_cpu(side, what, (side.cpu_seconds() - cpu) / size * 1e9)


def _keep(side: Side, what: str, rate: float) -> None:
    side.rates.setdefault(what, []).append(rate)


def _keep_cpu(side: Side, what: str, seconds: float) -> None:
    side.cpu[what] = min(seconds, side.cpu.get(what, seconds))


def _print(ours: Side, peer: Side) -> None:
    print(
        f"best of {ROUNDS} rounds, and the median ratio of a round; CPU is seconds a GB, of small layers milliseconds each"
    )
    print(f"{'':<36}{'cloudly':>9}{'peer':>9}{'ratio':>7}{'median':>8}{'CPU':>8}{'peer':>7}{'ratio':>7}")
    for what, rates in ours.rates.items():
        best, peers = max(rates), peer.rates[what]
        median = statistics.median(rate / other for rate, other in zip(rates, peers, strict=True))
        line = f"{what:<36}{best:>9.0f}{max(peers):>9.0f}{best / max(peers):>7.2f}{median:>8.2f}"
        if what in ours.cpu:
            line += f"{ours.cpu[what]:>8.2f}{peer.cpu[what]:>7.2f}{ours.cpu[what] / max(peer.cpu[what], 1e-9):>7.2f}"
        print(line)
    if ours.bare:
        most = max(ours.bare + peer.bare)
        limit = most / max(peer.rates["pull by 1, MB/s"])
        print(f"the client takes at most {most:.0f} MB/s (a bare sendfile): {limit:.2f} of the peer's pull by 1")
    for side in (ours, peer):
        told = side.peak_mib()
        print(f"peak memory, {side.name}: {sum(told.values()):.0f} MiB { ({n: round(v) for n, v in told.items()}) }")
    print(
        "aims: push 1.5, pull 1.2, manifests by digest 5 and by tag 1.5 times the peer's rate, CPU at most the peer's"
    )


def _status_mib(pid: int, what: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what + ":"):
            return int(line.split()[1]) / 1024
    return 0.0


def _listening(port: int) -> psutil.Process:
    """The process that serves a port."""
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
            return psutil.Process(connection.pid)
    raise RuntimeError(f"nobody listens on {port}")


@contextmanager
def _peer(program: str, directory: Path) -> Iterator[Side]:
    directory.mkdir()
    port = free_port()
    config = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(directory / "data")},
            "cache": {"blobdescriptor": "inmemory"},
            "delete": {"enabled": True},
        },
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    (directory / "config.yml").write_text(json.dumps(config))
    with _server(directory, port, program, "serve", str(directory / "config.yml")) as process:
        processes = {PEER: psutil.Process(process.pid)}
        yield Side(PEER, port, "", directory / "data", processes)


@contextmanager
def _traefik(sides: Sequence[Side], directory: Path) -> Iterator[list[int]]:
    """A port for each side."""
    directory.mkdir()
    ports = [free_port() for _ in sides]
    dynamic = {"http": {"routers": {}, "services": {}}}
    for side in sides:
        dynamic["http"]["routers"][side.name] = {
            "rule": "PathPrefix(`/`)", "service": side.name, "entryPoints": [side.name]
        }  # fmt: skip
        servers = [{"url": f"http://127.0.0.1:{side.port}"}]
        dynamic["http"]["services"][side.name] = {"loadBalancer": {"servers": servers}}
    (directory / "dynamic.yml").write_text(json.dumps(dynamic))
    entry_points = [
        f"--entrypoints.{side.name}.address=127.0.0.1:{port}" for side, port in zip(sides, ports, strict=True)
    ]
    program = str(Path(sys.executable).with_name("traefik"))
    arguments = [program, *entry_points, f"--providers.file.filename={directory}/dynamic.yml", "--log.level=ERROR"]
    with _server(directory, ports[-1], *arguments):
        time.sleep(1)
        yield ports


@contextmanager
def _server(directory: Path, port: int, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for_port(port, process)
        yield process
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    sys.exit(main())
