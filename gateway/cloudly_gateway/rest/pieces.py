"""Server streams that are read once to their end: lines of JSON (https://github.com/ndjson/ndjson-spec), or bytes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from google.protobuf.message import Message
from starlette.types import Receive, Scope, Send

from cloudly_gateway.rest.streams import cancel, close, disconnected

LINES_TYPE = "application/x-ndjson"
OCTETS_TYPE = "application/octet-stream"
_HEADERS = [(b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]


class Pieces:
    """An ASGI answer made of the messages of a stream, one after the other.

    One message is read when the one before was taken, so a slow reader slows the stream. What breaks off in the middle
    breaks the connection off: a client never takes half for the whole.
    """

    def __init__(self, messages: AsyncIterator[Message], media_type: str, piece: Callable[[Message], bytes]) -> None:
        self._messages = messages
        self._media_type = media_type
        self._piece = piece

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it.

        Raises:
            DomainError: the call was refused, or broke off in the middle.
        """
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(close, self._messages)
            # A refusal comes with the first message and has a status of its own.
            message = await anext(self._messages, None)
            gone = asyncio.create_task(disconnected(receive))
            stack.push_async_callback(cancel, gone)
            # A list of its own: middleware adds to it.
            headers = [(b"content-type", self._media_type.encode()), *_HEADERS]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            while message is not None and not gone.done():
                await send({"type": "http.response.body", "body": self._piece(message), "more_body": True})
                message = await anext(self._messages, None)
            await send({"type": "http.response.body", "body": b"", "more_body": False})


def lines(messages: AsyncIterator[Message], field: str) -> Pieces:
    """A list of texts in each message, as they are, each on a line."""
    return Pieces(
        messages, LINES_TYPE, lambda message: "".join(f"{line}\n" for line in getattr(message, field)).encode()
    )


def octets(messages: AsyncIterator[Message], field: str) -> Pieces:
    """The bytes of each message."""
    return Pieces(messages, OCTETS_TYPE, lambda message: bytes(getattr(message, field)))
