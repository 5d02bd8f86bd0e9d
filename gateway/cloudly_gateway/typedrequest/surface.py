"""The two ways in: POST /typedrequest, and a WebSocket at any path."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from cloudly_gateway.middleware.observe import name_route
from cloudly_gateway.rest.handler import Channels
from cloudly_gateway.typedrequest import socket
from cloudly_gateway.typedrequest.adapters import ADAPTERS
from cloudly_gateway.typedrequest.calls import Calls
from cloudly_gateway.typedrequest.dispatch import dispatch
from cloudly_gateway.typedrequest.envelope import Envelope, Malformed
from cloudly_gateway.typedrequest.streams import METHOD, Streams

_NO_STORE = {"cache-control": "no-store"}


class TypedRequest:
    """The legacy API."""

    def __init__(self, channels: Channels, origin: str, stopping: asyncio.Event) -> None:
        self._channels = channels
        self._origin = origin
        self._stopping = stopping
        self._streams = Streams(stopping)
        self._calls: Calls | None = None

    async def answer(self, request: Request) -> Response:
        """POST: the status is 200 whatever the application says; clients read the body of no other (wire format §2)."""
        try:
            envelope = Envelope.read(await request.body())
        except Malformed:
            return Response(b'{"error":"Invalid request"}', 400, _NO_STORE, "application/json")
        if envelope.method == METHOD:
            name_route(request.scope, f"/typedrequest {METHOD}")
            return Response(await self._streams.answer(envelope.request), 200, _NO_STORE, "application/json")
        if envelope.method in ADAPTERS:
            name_route(request.scope, f"/typedrequest {envelope.method}")
        answer = await dispatch(envelope, self._stubs())
        return Response(answer, 200, _NO_STORE, "application/json")

    async def online(self, request: Request) -> Response:
        """HEAD: clients look whether the server is there."""
        del request
        return Response(headers=_NO_STORE, media_type="application/json")

    async def socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A WebSocket."""
        await socket.serve(scope, receive, send, self._stubs(), self._stopping)

    def _stubs(self) -> Calls:
        # Channels belong to a running loop, which there is none of yet when the application is put together.
        if self._calls is None:
            self._calls = Calls(self._channels, self._origin, self._streams)
        return self._calls
