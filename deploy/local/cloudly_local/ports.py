"""Ports: free loopback ports for what stays inside, and a clear word when the public one is taken."""

import errno
import random
import socket
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from cloudly_local.proc import listener_of

EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST = 15_000


class PortUnavailableError(Exception):
    """A port cannot be used; the message tells why, and the way out."""


def free_loopback_ports(names: Iterable[str], *, avoid: Iterable[int] = ()) -> dict[str, int]:
    """A free port for each name.

    They lie below the range that the kernel gives to outgoing connections: a port that is free now is then not lent
    to a passing connection before its server listens, or while that server is being restarted.
    """
    first_ephemeral = int(EPHEMERAL_RANGE.read_text().split()[0]) if EPHEMERAL_RANGE.exists() else 32_768
    highest = first_ephemeral if first_ephemeral > LOWEST + 1_000 else 65_535
    found: dict[str, int] = {}
    with ExitStack() as held:
        for name in names:
            while name not in found:
                port = random.randrange(LOWEST, highest)
                probe = held.enter_context(socket.socket())
                if port not in avoid and port not in found.values() and _binds(probe, "127.0.0.1", port) == 0:
                    found[name] = port
    return found


CHOOSE = "Choose another with `make up PORT=9090`, `cloudly-local up --port 9090`, or SERVEZONE_PORT=9090."


def require_port(host: str, port: int, way_out: str = CHOOSE) -> None:
    """Make sure that a port can be listened on.

    Raises:
        PortUnavailableError: it is taken, or this user may not listen there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        code = _binds(probe, host or "0.0.0.0", port)  # noqa: S104 - asked for by CLOUDLY_BIND
    if code == 0:
        return
    if code == errno.EADDRINUSE:
        holder = listener_of(port)
        by = f" by {holder}" if holder else ""
        raise PortUnavailableError(f"Port {port} on {host} is already taken{by}. {way_out}")
    if code == errno.EACCES:
        raise PortUnavailableError(f"This user may not listen on port {port} (below 1024 needs root). {way_out}")
    if code == errno.EADDRNOTAVAIL:
        raise PortUnavailableError(f"{host} is no address of this machine. Set CLOUDLY_BIND to one that is.")
    raise PortUnavailableError(f"Cannot listen on {host} port {port}: {errno.errorcode.get(code, code)}. {way_out}")


def _binds(probe: socket.socket, host: str, port: int) -> int:
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind((host, port))
        # Two sockets may both bind with SO_REUSEADDR as long as none listens; listening tells.
        probe.listen(1)
    except OSError as error:
        return error.errno or errno.EIO
    return 0
