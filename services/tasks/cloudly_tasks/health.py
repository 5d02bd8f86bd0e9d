"""Health of the services: ask each one, write down what it said and since when that is so."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import structlog
from cloudly_kit.errors import AlreadyExists

from cloudly_tasks.store import ServiceHealthDocument, TasksStore

log = structlog.get_logger()


@dataclass(frozen=True)
class Answer:
    """What a service said; `error` is empty when it serves."""

    error: str
    took_ms: int


class Probe(Protocol):
    """Asks a service."""

    async def ask(self, service: str) -> Answer:
        """Whether it serves. Never raises for the service's sake: being away is an answer."""
        ...


class HealthChecks:
    """The rules of health checks."""

    def __init__(self, store: TasksStore, probe: Probe, services: Sequence[str]) -> None:
        self._store = store
        self._probe = probe
        self.services = services

    async def check(self, service: str, now: datetime) -> ServiceHealthDocument:
        """Ask a service and write its answer down."""
        answer = await self._probe.ask(service)
        fresh = ServiceHealthDocument(
            id=service,
            serving=not answer.error,
            error=answer.error,
            took_ms=answer.took_ms,
            check_time=now,
            since_time=now,
        )
        if await self._store.service_health.find(service) is None:
            try:
                document, _ = await self._store.service_health.insert(fresh)
            except AlreadyExists:
                log.debug("health.first_seen_elsewhere", checked=service)
            else:
                return document

        def mutate(found: ServiceHealthDocument) -> ServiceHealthDocument:
            since = found.since_time if found.serving == fresh.serving else now
            return found.model_copy(
                update={
                    "serving": fresh.serving,
                    "error": fresh.error,
                    "took_ms": fresh.took_ms,
                    "check_time": now,
                    "since_time": since,
                }
            )

        return await self._store.service_health.change(service, mutate)
