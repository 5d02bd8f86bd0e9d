"""Server streams as Server-Sent Events (https://html.spec.whatwg.org/multipage/server-sent-events.html).

One task per connection reads the stream and writes the events, so a slow reader slows the stream and nothing piles up:
the transport's flow control reaches through to the service. Cancelling that task cancels the call.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from typing import cast

import orjson
import structlog
from cloudly_kit.contract import enum_prefix
from cloudly_kit.errors import DomainError, Internal
from google.protobuf.descriptor import EnumDescriptor
from google.protobuf.message import Message
from prometheus_client import Gauge
from starlette.types import Receive, Scope, Send

from cloudly_gateway.problems import problem
from cloudly_gateway.rest.requests import CURSOR
from cloudly_gateway.rest.writing import to_json

log = structlog.get_logger()

HEARTBEAT_SECONDS = 15.0
"""A comment this often keeps proxies from closing an idle connection."""
FIRST_SECONDS = 1.0
"""How long to wait for a refusal before the answer begins: afterwards no status can be told any more."""
STREAMS = Gauge("cloudly_gateway_event_streams", "Event streams being served.")
EVENTS_TYPE = "text/event-stream"
_HEADERS = [
    (b"content-type", f"{EVENTS_TYPE}; charset=utf-8".encode()),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class EventStream:
    """An ASGI answer made of the messages of a server stream.

    It ends with the stream (`event: end`), with an error (`event: error` and the problem as data), when the client
    goes, or when the process is told to stop: then the client is asked to come back in a moment.
    """

    def __init__(
        self,
        messages: AsyncIterator[Message],
        request_id: str,
        stopping: asyncio.Event,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
    ) -> None:
        self._messages = messages
        self._request_id = request_id
        self._stopping = stopping
        self._heartbeat_seconds = heartbeat_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it.

        Raises:
            DomainError: the call was refused before anything was sent.
        """
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(close, self._messages)
            gone = asyncio.create_task(disconnected(receive))
            stack.push_async_callback(cancel, gone)
            stopping = asyncio.create_task(self._stopping.wait())
            stack.push_async_callback(cancel, stopping)
            coming = asyncio.create_task(_next(self._messages))
            stack.push_async_callback(lambda: cancel(coming))
            await asyncio.wait({coming, gone, stopping}, timeout=FIRST_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if coming.done() and coming.exception() is not None:
                raise coming.exception() or Internal()
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            # Replicas that stop send all their readers away at once: they shall not come back at once.
            await _write(send, f"retry: {random.randint(1000, 3000)}\n\n".encode())
            with STREAMS.track_inprogress():
                while not gone.done() and not stopping.done():
                    if not coming.done():
                        await asyncio.wait(
                            {coming, gone, stopping},
                            timeout=self._heartbeat_seconds,
                            return_when=asyncio.FIRST_COMPLETED,
                        )
                    if not coming.done():
                        await _write(send, b": still here\n\n")
                        continue
                    block, last = self._block(coming)
                    await _write(send, block)
                    if last:
                        break
                    coming = asyncio.create_task(_next(self._messages))
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _block(self, coming: "asyncio.Task[Message | None]") -> tuple[bytes, bool]:
        error = coming.exception()
        if error is not None:
            if not isinstance(error, DomainError):
                log.error("events.failed", exc_info=error)
                error = Internal()
            data = orjson.dumps(problem(error, error.info.http_status, self._request_id))
            return _event("error", data, ""), True
        message = coming.result()
        if message is None:
            return _event("end", b"{}", ""), True
        return _event(event_name(message), to_json(message), getattr(message, CURSOR, "")), False


def event_name(message: Message) -> str:
    """`snapshot`, `bookmark`, `changed` or `deleted` where the message says so; else `message`."""
    field = message.DESCRIPTOR.fields_by_name.get("event")
    if field is None or field.enum_type is None:
        return "message"
    value = field.enum_type.values_by_number.get(getattr(message, "event"))  # noqa: B009 - not every message has one
    if value is None or not value.number:
        return "message"
    return value.name.removeprefix(enum_prefix(cast("EnumDescriptor", field.enum_type))).lower()


def _event(name: str, data: bytes, cursor: str) -> bytes:
    # JSON has no line breaks of its own; a cursor with one would break the frame.
    identity = f"id: {cursor}\n".encode() if cursor and "\n" not in cursor and "\r" not in cursor else b""
    return b"event: %b\n%bdata: %b\n\n" % (name.encode(), identity, data)


async def _write(send: Send, block: bytes) -> None:
    await send({"type": "http.response.body", "body": block, "more_body": True})


async def _next(messages: AsyncIterator[Message]) -> Message | None:
    # None is the end: a StopAsyncIteration cannot leave a task.
    return await anext(messages, None)


async def close(messages: AsyncIterator[Message]) -> None:
    """End the call whose answers these are."""
    end = getattr(messages, "aclose", None)
    if end is not None:
        await end()


async def disconnected(receive: Receive) -> None:
    """Wait until the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def cancel(task: "asyncio.Task[object]") -> None:
    """End a task and wait for that."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
