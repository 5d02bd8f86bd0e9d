"""The configurations of Envoy and Traefik, rendered from the templates in `deploy/`: for this machine into the run
directory, for containers into their images.
"""

import json
import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cloudly_kit.config import DEFAULT_PORTS, SERVICES

from cloudly_local.config import LocalSettings
from cloudly_local.layout import deploy_directory
from cloudly_local.proc import write_atomically

CONTAINER_PORTS = {"gateway": 7100, "registry-http": 7202, "envoy": 7200, "envoy-admin": 7290, "ping": 7291}


@dataclass(frozen=True)
class Addresses:
    """Where Envoy and Traefik listen, and whom they reach."""

    public: str
    envoy: tuple[str, int]
    envoy_admin: tuple[str, int]
    ping: str
    gateway_url: str
    registry_url: str
    envoy_url: str
    services: Mapping[str, str]
    """gRPC targets by service: `unix:/path` or `host:port`."""


def in_containers() -> Addresses:
    """The addresses inside a network of containers, by DNS name; the public port is published from 8080."""
    ports = CONTAINER_PORTS
    return Addresses(
        public=":8080",
        envoy=("0.0.0.0", ports["envoy"]),  # noqa: S104 - the network of the containers
        envoy_admin=("127.0.0.1", ports["envoy-admin"]),
        ping=f":{ports['ping']}",
        gateway_url=f"http://gateway:{ports['gateway']}",
        registry_url=f"http://registry:{ports['registry-http']}",
        envoy_url=f"h2c://envoy:{ports['envoy']}",
        services={name: f"{name}:{DEFAULT_PORTS[name]}" for name in SERVICES},
    )


def render_envoy(addresses: Addresses) -> str:
    """Envoy's configuration."""
    in_files = all(target.startswith("unix:") for target in addresses.services.values())
    return _fill(
        "envoy/envoy.template.yaml",
        listen=_socket_address(*addresses.envoy),
        admin=_socket_address(*addresses.envoy_admin),
        discovery="STATIC" if in_files else "STRICT_DNS",
        **{name: _envoy_address(target) for name, target in addresses.services.items()},
    )


def render_traefik(addresses: Addresses, settings: LocalSettings, routes: Path, acme_storage: Path) -> str:
    """Traefik's fixed configuration, which names the file of the routes."""
    # Traefik takes an absent value for "none", an empty one for a mistake.
    tls: dict[str, object] = {}
    resolvers: dict[str, object] = {}
    if settings.ssl_mode == "letsencrypt":
        tls = {"certResolver": "public", "domains": [{"main": settings.public_url}]}
        acme = {
            "email": settings.acme_email,
            "storage": str(acme_storage),
            "caServer": settings.acme_directory,
            "tlsChallenge": {},
        }
        resolvers = {"public": {"acme": acme}}
    # Only a proxy that was named may say who the client is; without one, everybody could claim any address.
    proxies = settings.trusted_proxies or "127.0.0.0/8,::1/128"
    trusted = [network.strip() for network in proxies.split(",")] if settings.ssl_mode == "external" else []
    return _fill(
        "traefik/traefik.template.yaml",
        public=json.dumps(addresses.public),
        ping=json.dumps(addresses.ping),
        routes=json.dumps(str(routes)),
        tls=json.dumps(tls or None),
        resolvers=json.dumps(resolvers or None),
        trusted_proxies=json.dumps(trusted),
    )


def render_routes(addresses: Addresses) -> str:
    """Traefik's routes."""
    return _fill(
        "traefik/routes.template.yaml",
        envoy=addresses.envoy_url,
        registry=addresses.registry_url,
        gateway=addresses.gateway_url,
    )


def write(directory: Path, addresses: Addresses, settings: LocalSettings, acme_storage: Path) -> None:
    """Write envoy.yaml, traefik.yaml and routes.yaml into a directory."""
    routes = directory / "routes.yaml"
    write_atomically(directory / "envoy.yaml", render_envoy(addresses))
    write_atomically(routes, render_routes(addresses))
    write_atomically(directory / "traefik.yaml", render_traefik(addresses, settings, routes, acme_storage))


def _fill(template: str, **values: str) -> str:
    # Values are JSON, which is YAML as well: nothing in them can break the structure.
    return string.Template((deploy_directory() / template).read_text()).substitute(values)


def _socket_address(host: str, port: int) -> str:
    return json.dumps({"socket_address": {"address": host, "port_value": port}})


def _envoy_address(target: str) -> str:
    if target.startswith("unix:"):
        return json.dumps({"pipe": {"path": target.removeprefix("unix:")}})
    host, _, port = target.rpartition(":")
    return _socket_address(host, int(port))
