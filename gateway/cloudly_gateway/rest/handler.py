"""Serves every route of the contract: read the request, call the owner, answer. Knows no method by name."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from cloudly_kit.errors import DeadlineExceeded, NotFound, Unimplemented
from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from cloudly_gateway.middleware.context import request_id_of
from cloudly_gateway.middleware.observe import name_route
from cloudly_gateway.problems import HttpProblem
from cloudly_gateway.rest.answers import NO_STORE, render
from cloudly_gateway.rest.pieces import LINES_TYPE, OCTETS_TYPE, Pieces, lines, octets
from cloudly_gateway.rest.requests import read_request
from cloudly_gateway.rest.routes import Binding, Match, RouteTable
from cloudly_gateway.rest.streams import EVENTS_TYPE, EventStream

IDLE_SECONDS = 60.0
"""A client that sends nothing for so long, while it could, is not waited for."""
Channels = Callable[[str], grpc.aio.Channel]
"""From a service's name to a channel to it."""


class Rest:
    """The REST surface as an ASGI application."""

    def __init__(self, table: RouteTable, channels: Channels, stopping: asyncio.Event) -> None:
        self._table = table
        self._channels = channels
        self._stopping = stopping
        self._stubs: dict[str, Any] = {}

    def match(self, scope: Scope) -> Match | None:
        """Whether this request is for a route of the contract."""
        return self._table.match(raw_path(scope))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises:
            DomainError, HttpProblem: as the answer should say; the middleware says it.
        """
        match = self.match(scope)
        if match is None:
            raise NotFound("path", scope["path"])
        verb = scope["method"]
        if verb == "OPTIONS":
            await Response(status_code=204, headers={"allow": match.allowed})(scope, receive, send)
            return
        binding = match.bindings.get("GET" if verb == "HEAD" else verb)
        if binding is None:
            wrong = Unimplemented(f"{verb} is not possible here, only {match.allowed}")
            raise HttpProblem(wrong, 405, {"allow": match.allowed})
        name_route(scope, binding.template)
        request = Request(scope, receive)
        body = await request.body() if binding.has_body and not binding.octets else b""
        message = read_request(binding, match.values, scope["query_string"], request.headers, body)
        response: Any
        if binding.method.client_streaming:
            response = render(self._table, binding, await self._sent(binding, message, request), request.headers)
        elif not binding.method.server_streaming:
            response = render(self._table, binding, await self._stub(binding)(message), request.headers)
        elif verb == "HEAD":
            response = Response(headers=NO_STORE, media_type=_media_type(binding))
        else:
            response = self._stream(binding, message, scope)
        await response(scope, receive, send)

    def takes_octets(self, scope: Scope) -> bool:
        """Whether a request is for a route whose body is a stream of bytes, of any length."""
        match = self.match(scope) if scope["type"] == "http" else None
        binding = match.bindings.get(scope["method"]) if match else None
        return binding is not None and bool(binding.octets)

    async def _sent(self, binding: Binding, first: Message, request: Request) -> Message:
        """The answer to a stream of requests that is made of a body as it comes.

        Raises:
            ClientDisconnect: the client went away; the call is cancelled.
            DeadlineExceeded: it fell silent; likewise.
        """

        async def messages() -> AsyncIterator[Message]:
            yield first
            body = request.stream()
            try:
                while (piece := await asyncio.wait_for(anext(body, None), IDLE_SECONDS)) is not None:
                    yield binding.method.request_class(**{binding.octets: piece})
            except TimeoutError:
                raise DeadlineExceeded(f"nothing more of the body came for {IDLE_SECONDS:.0f} seconds") from None

        answer: Message = await self._stub(binding)(messages())
        return answer

    def _stream(self, binding: Binding, message: Message, scope: Scope) -> EventStream | Pieces:
        messages = self._stub(binding)(message)
        if binding.octets:
            return octets(messages, binding.octets)
        if binding.response_body:
            return lines(messages, binding.response_body)
        return EventStream(messages, request_id_of(scope), self._stopping)

    def _stub(self, binding: Binding) -> Any:
        method = binding.method
        if method.path not in self._stubs:
            channel = self._channels(method.owner)
            make: Any = channel.unary_stream if method.server_streaming else channel.unary_unary
            if method.client_streaming:
                make = channel.stream_unary
            self._stubs[method.path] = make(
                method.path,
                request_serializer=method.request_class.SerializeToString,
                response_deserializer=method.response_class.FromString,
            )
        return self._stubs[method.path]


def _media_type(binding: Binding) -> str:
    """Of a stream's answer."""
    if binding.octets:
        return OCTETS_TYPE
    return LINES_TYPE if binding.response_body else EVENTS_TYPE


def raw_path(scope: Scope) -> str:
    """The path as it came, still percent-encoded, so that an encoded slash does not make another segment."""
    raw: bytes | None = scope.get("raw_path")
    return raw.decode("latin-1") if raw is not None else scope["path"]
