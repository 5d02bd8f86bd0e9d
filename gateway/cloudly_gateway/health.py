"""Whether this process lives, whether all parts that it needs answer, and what it counted."""

import asyncio
import ipaddress
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import grpc
import orjson
from cloudly_kit import access, rpc_client
from cloudly_kit.config import SERVICES, ServiceSettings
from cloudly_kit.errors import CredentialsMissing, DomainError, PermissionDenied, SecondFactorMissing
from cloudly_kit.identity import TokenVerifier
from cloudly_kit.rpc_client import ServiceChannel
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

CHECK_SECONDS = 2.0
"""How long a part may take to answer."""
KEPT_SECONDS = 1.0
"""How long one look at all parts is good for: /readyz is open to everybody."""

Check = Callable[[], Awaitable[object]]


async def healthz(request: Request) -> Response:
    """This process lives."""
    del request
    return PlainTextResponse("ok\n", headers={"cache-control": "no-store"})


class Readiness:
    """Asks every part, all at the same time."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks
        self._looking = asyncio.Lock()
        self._seen: tuple[float, dict[str, str]] = (-1e9, {})

    async def __call__(self, request: Request) -> Response:
        """200 when all parts answer, else 503; names each part either way."""
        del request
        parts = await self._look()
        ready = all(said == "ok" for said in parts.values())
        body = orjson.dumps({"ready": ready, "parts": parts})
        headers = {"cache-control": "no-store"} if ready else {"cache-control": "no-store", "retry-after": "1"}
        return Response(body, 200 if ready else 503, headers, "application/json")

    async def _look(self) -> dict[str, str]:
        async with self._looking:
            if time.monotonic() - self._seen[0] > KEPT_SECONDS:
                said = await asyncio.gather(*(_ask(check) for check in self._checks.values()))
                self._seen = (time.monotonic(), dict(zip(self._checks, said, strict=True)))
            return self._seen[1]


async def _ask(check: Check) -> str:
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await check()
    except TimeoutError:
        return "does not answer in time"
    except DomainError as error:
        return error.message
    except Exception as error:  # noqa: BLE001 - whatever a part's client raises means that it is not ready
        return f"does not answer ({type(error).__name__})"
    return "ok"


def checks(settings: ServiceSettings, ping_redis: Check) -> tuple[Mapping[str, Check], list[ServiceChannel]]:
    """A check for each of the six services and for Redis, and the channels to close in the end."""
    # Without credentials: they come from auth, and its absence must not look like everybody's.
    channels = {name: ServiceChannel(name, settings.address_of(name), None) for name in SERVICES}
    made: dict[str, Check] = {name: _grpc_check(channel) for name, channel in channels.items()}
    return made | {"redis": ping_redis}, list(channels.values())


def _grpc_check(channel: grpc.aio.Channel) -> Check:
    from grpc_health.v1 import health_pb2

    call: Any = channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )

    async def check() -> None:
        answer = await call(health_pb2.HealthCheckRequest(), timeout=CHECK_SECONDS)
        if answer.status != health_pb2.HealthCheckResponse.SERVING:
            raise NotServing

    return check


class NotServing(Exception):
    """A service answers that it does not serve."""


class Metrics:
    """Prometheus metrics: for whoever asks this process directly from a private network, and for those who may read."""

    def __init__(self, verifier: TokenVerifier) -> None:
        self._verifier = verifier

    async def __call__(self, request: Request) -> Response:
        """The metrics.

        Raises:
            CredentialsMissing: the request came from outside and without a token.
            PermissionDenied: the caller's roles do not grant `metrics.read`.
            SecondFactorMissing: the caller has to enrol a second factor first.
        """
        if not _is_direct(request):
            token = rpc_client.on_behalf_of.get()
            if not token:
                raise CredentialsMissing
            identity = await self._verifier.verify(token)
            if identity.must_enrol:
                raise SecondFactorMissing
            if not access.allows(identity, "metrics.read"):
                raise PermissionDenied("metrics.read")
        return Response(generate_latest(), headers={"cache-control": "no-store"}, media_type=CONTENT_TYPE_LATEST)


def _is_direct(request: Request) -> bool:
    # A proxy in front says for whom it asks; nobody out there can take that header away again.
    if request.headers.get("x-forwarded-for") or request.headers.get("forwarded"):
        return False
    return request.client is None or ipaddress.ip_address(request.client.host).is_private
