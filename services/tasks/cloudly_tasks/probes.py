"""Asks a service for its health by grpc.health.v1."""

import time
from collections.abc import Callable
from typing import Any

from cloudly_kit.errors import DomainError
from grpc_health.v1 import health_pb2, health_pb2_grpc

from cloudly_tasks.health import Answer


class HealthProbe:
    """Asks over the channels of this process."""

    def __init__(self, channel: Callable[[str], Any], timeout_seconds: float) -> None:
        self._channel = channel
        self._timeout = timeout_seconds

    async def ask(self, service: str) -> Answer:
        """Whether the service says SERVING in time."""
        stub = health_pb2_grpc.HealthStub(self._channel(service))  # type: ignore[no-untyped-call]
        started = time.perf_counter()
        try:
            response = await stub.Check(health_pb2.HealthCheckRequest(), timeout=self._timeout)
        except DomainError as failure:
            return Answer(f"{failure.reason}: {failure.message}", _since(started))
        serving = response.status == health_pb2.HealthCheckResponse.SERVING
        status = health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)
        return Answer("" if serving else f"says {status}", _since(started))


def _since(started: float) -> int:
    return int((time.perf_counter() - started) * 1000)
