"""What a suite is made of on this machine: settings, ports, servers, processes and their environments. Nothing runs yet."""

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cloudly_kit.config import SERVICES

from cloudly_local import probes, proxies, servers
from cloudly_local.config import LocalSettings
from cloudly_local.layout import Layout, web_directory
from cloudly_local.ports import free_loopback_ports
from cloudly_local.proc import write_atomically
from cloudly_local.processes import PRELOADED, PROCESSES, S3_MODULES, PythonProcess

INNER_PORTS = ("mongo", "redis", "gateway", "registry-http", "envoy", "envoy-admin", "ping")
LOOPBACK = "127.0.0.0/8,::1/128"


@dataclass(frozen=True)
class Suite:
    """One suite, ready to be supervised."""

    settings: LocalSettings
    layout: Layout
    port: int
    """The public port, as it is opened here."""
    ports: Mapping[str, int]
    sockets: Path
    environment: Mapping[str, str]
    """What every Python process gets."""
    servers: Sequence[servers.Server]
    processes: Sequence[PythonProcess]
    modules: Sequence[str]
    """What the zygote imports."""
    elsewhere: Mapping[str, probes.Probe] = field(default_factory=dict)
    """The stores that are not ours to start."""

    @property
    def url(self) -> str:
        """The public address."""
        return self.settings.public_origin

    @property
    def administers(self) -> bool:
        """Whether auth, which makes the first administrator, is among the processes."""
        return any(process.name == "auth" for process in self.processes)

    def environment_of(self, process: PythonProcess) -> dict[str, str]:
        """The whole environment of a Python process."""
        environment = dict(self.environment)
        account = self.settings.admin_account.get_secret_value()
        if process.name == "auth" and account:
            environment["SERVEZONE_ADMINACCOUNT"] = account
        if self.settings.metrics_listen:
            # One address cannot serve many processes: they take the ports that follow, in the order of the table.
            host, _, first = self.settings.metrics_listen.rpartition(":")
            environment["CLOUDLY_METRICS_LISTEN"] = f"{host}:{int(first) + self.processes.index(process)}"
        return environment

    def probe_of(self, process: PythonProcess) -> probes.Probe | None:
        """How to ask a Python process for its health."""
        if process.grpc:
            return probes.grpc(f"unix:{self.sockets}/{process.name}.sock")
        return probes.http(self.ports[process.name], process.http) if process.http else None


def assemble(
    settings: LocalSettings, layout: Layout, port: int, processes: Sequence[PythonProcess] = PROCESSES
) -> Suite:
    """Choose the ports, render the configurations, and put everything together.

    Raises:
        MissingProgramError: a server's program is not installed.
        PermissionError: see `Layout.sockets`.
    """
    ports = free_loopback_ports(INNER_PORTS, avoid=[port])
    sockets = layout.sockets()
    own: list[servers.Server] = []
    elsewhere: dict[str, probes.Probe] = {}
    urls = {}
    if "mongodb_url" in settings.model_fields_set:
        elsewhere["mongo"] = probes.listening_at(settings.mongodb_url.get_secret_value(), 27017)
    else:
        server, urls["MONGODB_URL"] = servers.mongo(layout, ports["mongo"])
        own.append(server)
    if "redis_url" in settings.model_fields_set:
        elsewhere["redis"] = probes.listening_at(settings.redis_url.get_secret_value(), 6379)
    else:
        server, urls["REDIS_URL"] = servers.redis(layout, ports["redis"], secrets.token_urlsafe(24))
        own.append(server)
    addresses = proxies.Addresses(
        public=_joined(settings.bind_host, port),
        envoy=("127.0.0.1", ports["envoy"]),
        envoy_admin=("127.0.0.1", ports["envoy-admin"]),
        ping=f"127.0.0.1:{ports['ping']}",
        gateway_url=f"http://127.0.0.1:{ports['gateway']}",
        registry_url=f"http://127.0.0.1:{ports['registry-http']}",
        envoy_url=f"h2c://127.0.0.1:{ports['envoy']}",
        services={name: f"unix:{sockets}/{name}.sock" for name in SERVICES},
    )
    proxies.write(layout.run, addresses, settings, layout.data / "acme.json")
    write_atomically(layout.stores, json.dumps(urls))
    last = tuple(process.name for process in processes if process.http)
    own.append(servers.envoy(layout.run / "envoy.yaml", ports["envoy-admin"], last))
    own.append(servers.traefik(layout.run / "traefik.yaml", ports["ping"], last))
    heavy = S3_MODULES if settings.s3_endpoint else ()
    return Suite(
        settings=settings,
        layout=layout,
        port=port,
        ports=ports,
        sockets=sockets,
        environment=_environment(settings, layout, ports, addresses, urls),
        servers=own,
        processes=processes,
        modules=[*PRELOADED, *heavy, *dict.fromkeys(process.module for process in processes)],
        elsewhere=elsewhere,
    )


def _environment(
    settings: LocalSettings,
    layout: Layout,
    ports: Mapping[str, int],
    addresses: proxies.Addresses,
    urls: Mapping[str, str],
) -> dict[str, str]:
    # The first login is for auth alone, whose environment adds it again.
    environment = {name: value for name, value in os.environ.items() if name != "SERVEZONE_ADMINACCOUNT"}
    environment |= urls
    environment |= {
        "SERVEZONE_PORT": str(settings.public_port),
        "CLOUDLY_DATA_DIR": str(layout.data),
        "CLOUDLY_KEYS_DIR": str(settings.keys_dir_setting or layout.keys),
        "CLOUDLY_GATEWAY_LISTEN": f"127.0.0.1:{ports['gateway']}",
        "CLOUDLY_REGISTRY_HTTP_LISTEN": f"127.0.0.1:{ports['registry-http']}",
        # Traefik stands in front of the gateway and tells who the client is.
        "CLOUDLY_TRUSTED_PROXIES": ",".join(filter(None, [LOOPBACK, settings.trusted_proxies])),
    }
    environment.setdefault("CLOUDLY_WEB_DIR", str(web_directory()))
    for name, target in addresses.services.items():
        environment[f"CLOUDLY_{name.upper()}_LISTEN"] = target
        environment[f"CLOUDLY_{name.upper()}_ADDRESS"] = target
    return environment


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
