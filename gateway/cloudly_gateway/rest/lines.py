"""Server streams as lines of JSON (https://github.com/ndjson/ndjson-spec), for what is read once to its end: exports."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from google.protobuf.message import Message
from starlette.types import Receive, Scope, Send

from cloudly_gateway.rest.streams import cancel, close, disconnected

LINES_TYPE = "application/x-ndjson"
_HEADERS = [(b"content-type", LINES_TYPE.encode()), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]


class Lines:
    """An ASGI answer made of a list of texts in each message of a stream, as they are, each on a line.

    One message is read when the one before was taken, so a slow reader slows the stream. What breaks off in the middle
    breaks the connection off: a client never takes half an export for the whole.
    """

    def __init__(self, messages: AsyncIterator[Message], field: str) -> None:
        self._messages = messages
        self._field = field

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
            await send({"type": "http.response.start", "status": 200, "headers": [*_HEADERS]})
            while message is not None and not gone.done():
                block = "".join(f"{line}\n" for line in getattr(message, self._field))
                await send({"type": "http.response.body", "body": block.encode(), "more_body": True})
                message = await anext(self._messages, None)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
