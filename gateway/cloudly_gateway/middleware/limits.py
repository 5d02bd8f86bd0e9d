"""Bounds the size of request bodies: large things go to the registry or the object store, never through here."""

import asyncio
import contextlib
from collections.abc import Callable

from cloudly_kit.errors import TooLarge
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloudly_gateway.problems import HttpProblem

MAX_BODY_BYTES = 4 * 1024 * 1024
PATIENCE_BYTES = 64 * 1024 * 1024
PATIENCE_SECONDS = 10.0
"""How much of a body that is refused is read and thrown away, and for how long."""


class BodyLimit:
    """Refuses bodies over 4 MiB, by their announced length or as they come; streams of bytes may be larger."""

    def __init__(
        self, app: ASGIApp, maximum: int = MAX_BODY_BYTES, *, unlimited: Callable[[Scope], bool] = lambda _: False
    ) -> None:
        self._app = app
        self._maximum = maximum
        self._unlimited = unlimited

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request.

        Raises:
            HttpProblem: 413.
        """
        if scope["type"] != "http" or self._unlimited(scope):
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced[:20]) > self._maximum:
            raise await self._refusal(receive)
        taken = 0

        async def receiving() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._maximum:
                raise await self._refusal(receive if message.get("more_body") else None)
            return message

        await self._app(scope, receiving, send)

    async def _refusal(self, receive: Receive | None) -> HttpProblem:
        # Most clients read no answer before they have sent everything; answering and closing at once would reset them.
        if receive is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await _discard(receive, PATIENCE_BYTES)
        return HttpProblem(TooLarge(f"the body is larger than {self._maximum} bytes"), 413, {"connection": "close"})


async def _discard(receive: Receive, most: int) -> None:
    while most > 0:
        message = await receive()
        most -= len(message.get("body", b""))
        if not message.get("more_body"):
            return
