"""Counts and times every request by its route, never by its path: labels must stay few."""

import time

import structlog
from prometheus_client import Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()

HTTP_SECONDS = Histogram(
    "cloudly_gateway_http_seconds",
    "Time to the end of an answer; event streams are not counted.",
    ["method", "route", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
_KEY = "cloudly.route"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def name_route(scope: Scope, route: str) -> None:
    """Say under which name this request is counted."""
    scope[_KEY] = route


class Observe:
    """Metrics and logs of requests."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status, streams = 499, False

        async def sending(message: Message) -> None:
            nonlocal status, streams
            if message["type"] == "http.response.start":
                status = message["status"]
                streams = any(value.startswith(b"text/event-stream") for _, value in message["headers"])
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            elapsed = time.perf_counter() - started
            method = scope["method"] if scope["method"] in _METHODS else "other"
            route = scope.get(_KEY, "other")
            if not streams:
                HTTP_SECONDS.labels(method, route, str(status)).observe(elapsed)
            level = log.warning if status >= 500 else log.debug
            level("http.answered", method=method, route=route, status=status, took_ms=round(elapsed * 1000, 1))
