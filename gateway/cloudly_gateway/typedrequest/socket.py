"""TypedSocket 4.x: envelopes as text frames over one WebSocket, answered in any order (wire format §4)."""

import asyncio
from typing import Any

import structlog
from prometheus_client import Gauge
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from cloudly_gateway.typedrequest.calls import Calls
from cloudly_gateway.typedrequest.dispatch import dispatch
from cloudly_gateway.typedrequest.envelope import Envelope, Malformed
from cloudly_gateway.typedrequest.streams import METHOD

log = structlog.get_logger()

SET_TAG = "__typedsocket_setTag"
REMOVE_TAG = "__typedsocket_removeTag"
MAX_IN_FLIGHT = 32
"""Requests of one connection that are worked on at once; with more, its frames wait unread."""
MAX_TAGS = 64
GOING_AWAY = 1001
"""RFC 6455 §7.4.1: the server goes down; clients come again."""
CONNECTIONS = Gauge("cloudly_gateway_sockets", "WebSocket connections being served.")


class Connection:
    """One client. Its tags are what it claims: nothing in them is to be trusted."""

    def __init__(self, socket: WebSocket, calls: Calls, stopping: asyncio.Event) -> None:
        self._socket = socket
        self._calls = calls
        self._stopping = stopping
        self._places = asyncio.Semaphore(MAX_IN_FLIGHT)
        self._writing = asyncio.Lock()
        self.tags: dict[str, Any] = {}

    async def run(self) -> None:
        """Serve it until it ends, or the process does."""
        await self._socket.accept()
        with CONNECTIONS.track_inprogress():
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(self._read(group))
                stopping = group.create_task(self._stopping.wait())
                await asyncio.wait({reading, stopping}, return_when=asyncio.FIRST_COMPLETED)
                if reading.done():
                    stopping.cancel()
                else:
                    reading.cancel()
                    await self._socket.close(GOING_AWAY)

    async def _read(self, group: asyncio.TaskGroup) -> None:
        while True:
            frame: Message = await self._socket.receive()
            if frame["type"] == "websocket.disconnect":
                return
            text = frame.get("text") or frame.get("bytes") or b""
            try:
                envelope = Envelope.read(text)
            except Malformed as error:
                log.debug("socket.frame_dropped", why=str(error))
                continue
            if envelope.method == METHOD:
                await self._places.acquire()
                group.create_task(self._answer(envelope))
                continue
            # Without an id nobody waits for an answer; an answer to us has nothing that it answers.
            if envelope.correlation_id is None or envelope.phase == "response":
                continue
            await self._places.acquire()
            group.create_task(self._answer(envelope))

    async def _answer(self, envelope: Envelope) -> None:
        try:
            if envelope.method in {SET_TAG, REMOVE_TAG}:
                answer = self._tag(envelope)
            elif envelope.method == METHOD:
                answer = await self._calls.streams.answer(envelope.request)
            else:
                answer = await dispatch(envelope, self._calls)
            async with self._writing:
                await self._socket.send_text(answer.decode())
        except (WebSocketDisconnect, RuntimeError) as error:
            # It went away before its answer.
            log.debug("socket.answer_unsent", method=envelope.method, error=repr(error))
        finally:
            self._places.release()

    def _tag(self, envelope: Envelope) -> bytes:
        request = envelope.request if isinstance(envelope.request, dict) else {}
        name = request.get("name")
        if not isinstance(name, str) or not name:
            return envelope.failure("a tag needs a name", {})
        if envelope.method == REMOVE_TAG:
            self.tags.pop(name, None)
        elif name not in self.tags and len(self.tags) >= MAX_TAGS:
            return envelope.failure(f"a connection can have {MAX_TAGS} tags", {})
        else:
            self.tags[name] = request.get("payload")
        return envelope.answer({"success": True})


async def serve(scope: Scope, receive: Receive, send: Send, calls: Calls, stopping: asyncio.Event) -> None:
    """Serve one WebSocket; clients dial every path, so every path is taken."""
    await Connection(WebSocket(scope, receive, send), calls, stopping).run()
