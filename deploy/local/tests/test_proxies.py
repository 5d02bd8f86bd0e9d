"""Envoy's and Traefik's configurations: what they promise, that the real programs take them, and calls through both."""

import asyncio
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import httpx
import pytest
import yaml
from cloudly_kit.config import SERVICES
from cloudly_local import probes, proxies
from cloudly_local.config import LocalSettings
from cloudly_local.ports import free_loopback_ports
from cloudly_local.servers import envoy, program, traefik
from cloudly_local.testing import eventually

HERE = Path(__file__).parent


def local_addresses(directory: Path, ports: dict[str, int]) -> proxies.Addresses:
    return proxies.Addresses(
        public=f"127.0.0.1:{ports['public']}",
        envoy=("127.0.0.1", ports["envoy"]),
        envoy_admin=("127.0.0.1", ports["envoy-admin"]),
        ping=f"127.0.0.1:{ports['ping']}",
        gateway_url=f"http://127.0.0.1:{ports['gateway']}",
        registry_url=f"http://127.0.0.1:{ports['registry-http']}",
        envoy_url=f"h2c://127.0.0.1:{ports['envoy']}",
        services={name: f"unix:{directory}/{name}.sock" for name in SERVICES},
    )


PORTS = {
    name: 20_000 + at for at, name in enumerate(["public", "envoy", "envoy-admin", "ping", "gateway", "registry-http"])
}


@pytest.mark.parametrize("where", ["here", "containers"])
def test_envoy_takes_its_configuration(where: str, place: Path) -> None:
    addresses = local_addresses(place, PORTS) if where == "here" else proxies.in_containers()
    (place / "envoy.yaml").write_text(proxies.render_envoy(addresses))
    checked = subprocess.run(
        [program("envoy"), "--mode", "validate", "--config-path", str(place / "envoy.yaml"), "--log-level", "warning"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "deprecated" not in checked.stderr


def test_envoy_never_ends_a_stream_for_its_age_or_its_silence(place: Path) -> None:
    config = yaml.safe_load(proxies.render_envoy(local_addresses(place, PORTS)))
    manager = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    assert manager["stream_idle_timeout"] == "0s"
    assert manager["request_timeout"] == "0s"
    assert manager["http2_protocol_options"]["connection_keepalive"] == {"interval": "20s", "timeout": "10s"}
    routes = manager["route_config"]["virtual_hosts"][0]["routes"]
    assert {route["route"]["timeout"] for route in routes} == {"0s"}
    assert {route["match"]["prefix"] for route in routes} >= {f"/cloudly.{name}.v1." for name in SERVICES}
    for cluster in config["static_resources"]["clusters"]:
        (threshold,) = cluster["circuit_breakers"]["thresholds"]
        assert threshold["max_requests"] >= 100_000
        assert "max_connection_duration" not in str(cluster)
    assert {cluster["name"] for cluster in config["static_resources"]["clusters"]} == set(SERVICES)


def test_traefik_gives_slow_uploads_and_long_streams_all_the_time_they_need(place: Path) -> None:
    config = yaml.safe_load(
        proxies.render_traefik(
            local_addresses(place, PORTS), LocalSettings(), place / "routes.yaml", place / "acme.json"
        )
    )
    timeouts = config["entryPoints"]["public"]["transport"]["respondingTimeouts"]
    assert timeouts["readTimeout"] == timeouts["writeTimeout"] == "0s"
    assert "accessLog" not in config
    assert config["entryPoints"]["public"]["forwardedHeaders"]["trustedIPs"] == []


def test_only_a_named_proxy_may_say_who_the_client_is(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVEZONE_SSLMODE", "external")
    monkeypatch.setenv("CLOUDLY_TRUSTED_PROXIES", "192.0.2.7, 192.0.2.8/31")
    config = yaml.safe_load(
        proxies.render_traefik(
            local_addresses(place, PORTS), LocalSettings(), place / "routes.yaml", place / "acme.json"
        )
    )
    assert config["entryPoints"]["public"]["forwardedHeaders"]["trustedIPs"] == ["192.0.2.7", "192.0.2.8/31"]


@pytest.mark.parametrize("mode", ["none", "external", "letsencrypt"])
def test_traefik_starts_in_every_mode_of_tls(mode: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVEZONE_SSLMODE", mode)
    # Nobody is there: the certificate has to wait, the start must not.
    monkeypatch.setenv("CLOUDLY_ACME_SERVER", "https://127.0.0.1:9/directory")
    ports = free_loopback_ports(PORTS)
    proxies.write(place, local_addresses(place, ports), LocalSettings(), place / "acme.json")
    server = traefik(place / "traefik.yaml", ports["ping"], ())
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(server.arguments, stdout=log, stderr=log)
    try:
        loop = asyncio.new_event_loop()
        eventually(
            lambda: process.poll() is not None or loop.run_until_complete(probes.healthy(server.probe)), "it pings"
        )
        loop.close()
        assert process.poll() is None, (place / "log").read_text()
        # It has read its routes, and there is nobody behind them; with TLS, this plain request has no route.
        answer = httpx.get(f"http://127.0.0.1:{ports['public']}/", timeout=5)
        assert answer.status_code == (404 if mode == "letsencrypt" else 502)
    finally:
        process.terminate()
        process.wait(20)


class Proxies:
    """Envoy and Traefik in front of the example server as `clusters`, and of an HTTP server that tells its name."""

    def __init__(self, directory: Path) -> None:
        self.ports = free_loopback_ports(PORTS)
        addresses = local_addresses(directory, self.ports)
        proxies.write(directory, addresses, LocalSettings(), directory / "acme.json")
        self._directory = directory
        self._log = (directory / "log").open("ab")
        self._running: list[subprocess.Popen[bytes]] = []
        for server in (
            envoy(directory / "envoy.yaml", self.ports["envoy-admin"], ()),
            traefik(directory / "traefik.yaml", self.ports["ping"], ()),
        ):
            self._start(server.arguments)
        code = "import example, sys; sys.argv = ['clusters']; example.serving()"
        self._start([sys.executable, "-c", code])
        for name in ("gateway", "registry-http"):
            (directory / name).mkdir()
            (directory / name / "name").write_text(name)
            for path in ("v2", "objects"):
                (directory / name / path).mkdir()
                (directory / name / path / "name").write_text(name)
            arguments = [
                "-m",
                "http.server",
                str(self.ports[name]),
                "--bind",
                "127.0.0.1",
                "--directory",
                str(directory / name),
            ]
            self._start([sys.executable, *arguments])

    @property
    def public(self) -> str:
        return f"127.0.0.1:{self.ports['public']}"

    def _start(self, arguments: list[str]) -> None:
        environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(HERE), "SOCKETS": str(self._directory)}
        self._running.append(subprocess.Popen(arguments, stdout=self._log, stderr=self._log, env=environment))

    def stop(self) -> None:
        for process in self._running:
            process.terminate()
        for process in self._running:
            process.wait(20)
        self._log.close()


@pytest.fixture(scope="module")
def front() -> Iterator[Proxies]:
    directory = Path(tempfile.mkdtemp(prefix="cl-", dir="/tmp"))
    started = Proxies(directory)
    loop = asyncio.new_event_loop()
    checks = [
        probes.http(started.ports["envoy-admin"], "/ready"),
        probes.http(started.ports["ping"], "/ping"),
        probes.grpc(f"unix:{directory}/clusters.sock"),
        probes.listening(f"127.0.0.1:{started.ports['gateway']}"),
        probes.listening(f"127.0.0.1:{started.ports['registry-http']}"),
    ]
    for check in checks:
        eventually(lambda check=check: loop.run_until_complete(probes.healthy(check)), f"{check} is healthy")
    loop.close()
    yield started
    started.stop()
    shutil.rmtree(directory)


@pytest.fixture
async def channel(front: Proxies) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(front.public) as opened:
        yield opened


async def test_a_grpc_call_goes_through_traefik_and_envoy_to_the_socket(channel: grpc.aio.Channel) -> None:
    call = channel.unary_unary("/cloudly.clusters.v1.ClusterService/Echo")
    assert await call(b"there and back", timeout=10) == b"there and back"


async def test_a_stream_in_both_directions_stays_open_while_nobody_speaks(channel: grpc.aio.Channel) -> None:
    stream = channel.stream_stream("/cloudly.coreflow.v1.CoreflowService/EchoAll")()
    for number in range(5):
        await stream.write(f"message {number}".encode())
        assert await stream.read() == f"message {number}".encode()
        await asyncio.sleep(1)
    await stream.done_writing()
    assert await stream.read() is grpc.aio.EOF
    assert await stream.code() is grpc.StatusCode.OK


async def test_many_streams_share_one_connection(channel: grpc.aio.Channel) -> None:
    streams = [channel.stream_stream("/cloudly.coreflow.v1.CoreflowService/EchoAll")() for _ in range(300)]
    for stream in streams:
        await stream.write(b"held")
    async with asyncio.timeout(30):
        assert {await stream.read() for stream in streams} == {b"held"}
    for stream in streams:
        stream.cancel()


async def test_a_service_that_is_away_is_reported_as_unavailable(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await channel.unary_unary("/cloudly.backups.v1.PolicyService/GetPolicy")(b"", timeout=15)
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_package_that_does_not_exist_is_unimplemented(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await channel.unary_unary("/other.v1.Service/Call")(b"", timeout=10)
    assert refused.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_browser_speaks_grpc_web_to_the_same_address(front: Proxies) -> None:
    body = b"\0\0\0\0\4echo"
    async with httpx.AsyncClient(base_url=f"http://{front.public}", timeout=10) as client:
        answer = await client.post(
            "/cloudly.clusters.v1.ClusterService/Echo",
            content=body,
            headers={"content-type": "application/grpc-web+proto"},
        )
    assert answer.status_code == 200
    assert answer.content.startswith(body)
    assert b"grpc-status:0" in answer.content


@pytest.mark.parametrize(
    ("path", "server"),
    [("/name", "gateway"), ("/v2/name", "registry-http"), ("/objects/name", "registry-http"), ("/v2x/name", None)],
)
async def test_paths_lead_to_their_servers(front: Proxies, path: str, server: str | None) -> None:
    async with httpx.AsyncClient(base_url=f"http://{front.public}", timeout=10) as client:
        answer = await client.get(path)
    assert (answer.text if answer.status_code == 200 else None) == server
