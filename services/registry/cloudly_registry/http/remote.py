"""Where a request comes from."""

import ipaddress

from aiohttp import web


def remote_address(request: web.Request) -> str:
    """The client's address: what a proxy on this machine or network says, else the peer's own."""
    peer = request.remote or ""
    try:
        trusted = ipaddress.ip_address(peer).is_private
    except ValueError:
        trusted = True  # a unix socket
    # The last entry is the one that our own proxy wrote; those before it are the client's claims.
    told = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip() if trusted else ""
    return told[:64] or peer
