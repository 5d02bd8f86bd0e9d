"""Bounds the size of request bodies: large things go to the registry or the object store, never through here."""

from cloudly_kit.errors import TooLarge
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cloudly_gateway.problems import HttpProblem

MAX_BODY_BYTES = 4 * 1024 * 1024


class BodyLimit:
    """Refuses bodies over 4 MiB, by their announced length or as they come."""

    def __init__(self, app: ASGIApp, maximum: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._maximum = maximum

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request.

        Raises:
            HttpProblem: 413.
        """
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced[:20]) > self._maximum:
            raise self._refusal()
        taken = 0

        async def receiving() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._maximum:
                raise self._refusal()
            return message

        await self._app(scope, receiving, send)

    def _refusal(self) -> HttpProblem:
        error = TooLarge(f"the body is larger than {self._maximum} bytes")
        return HttpProblem(error, 413, {"connection": "close"})
