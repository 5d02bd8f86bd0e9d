"""Who asks: the request's id, the client's address, and its token, for the calls that are made on its behalf."""

import re
import uuid
from collections.abc import Sequence

import structlog
from cloudly_kit import rpc_client
from cloudly_kit.addresses import Network, client_address
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_KEY = "cloudly.request_id"


class RequestContext:
    """Sets the context that the kit's channels read; answers with the request's id."""

    def __init__(self, app: ASGIApp, trusted: Sequence[Network]) -> None:
        self._app = app
        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request or connection."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        scope[_KEY] = request_id
        rpc_client.request_id.set(request_id)
        peer = scope["client"][0] if scope.get("client") else "127.0.0.1"
        rpc_client.remote_address.set(client_address(peer, headers.getlist("x-forwarded-for"), self._trusted))
        rpc_client.user_agent.set(re.sub(r"[^ -~]", "", headers.get("user-agent", ""))[:256])
        rpc_client.on_behalf_of.set(bearer(headers))
        structlog.contextvars.bind_contextvars(request_id=request_id)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        await self._app(scope, receive, sending)


def request_id_of(scope: Scope) -> str:
    """The id that this layer gave the request."""
    return str(scope[_KEY])


def bearer(headers: Headers) -> str:
    """The Bearer token of a request, empty where there is none (RFC 6750 §2.1)."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
