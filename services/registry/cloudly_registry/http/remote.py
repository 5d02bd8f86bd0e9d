"""Where a request comes from."""

from aiohttp import web
from cloudly_kit.addresses import client_address

from cloudly_registry.http.parts import Parts


def remote_address(request: web.Request, parts: Parts) -> str:
    """The client's address: the peer's, or what trusted proxies say."""
    # A unix socket has no address.
    peer = request.remote or "127.0.0.1"
    return client_address(peer, request.headers.getall("X-Forwarded-For", []), parts.trusted_proxies)
