"""Logins for the external registries that a cluster's images come from: found by the images, asked of the registry.

They travel beside the configuration, never in it: it is hashed, kept and looked at.
"""

import time
from collections.abc import Sequence
from typing import Protocol

import structlog
from cloudly.coreflow.v1 import coreflow_pb2
from cloudly_kit.errors import DomainError

from cloudly_clusters.image_names import ImageName

log = structlog.get_logger()

HINT = "registry.external_registry"
"""The registry's hint that a login may be another now."""
_KEPT_SECONDS = 20.0
"""Less than a resync of the streams: a lost hint costs up to half a minute."""
_REMEMBERED = 1_000


class LoginSource(Protocol):
    """What is needed of the registry."""

    async def pull_logins(self, servers: Sequence[str]) -> coreflow_pb2.ExternalCredentials:
        """The logins for those of these servers that have one."""
        ...


class ExternalLogins:
    """The logins that agents need, kept for some seconds."""

    def __init__(self, source: LoginSource, registry_host: str) -> None:
        self._source = source
        self._registry_host = registry_host
        self._known: dict[tuple[str, ...], tuple[coreflow_pb2.ExternalCredentials, float]] = {}

    async def of(self, configuration: coreflow_pb2.Configuration) -> coreflow_pb2.ExternalCredentials | None:
        """What an agent needs for a configuration; None when the registry does not tell: then it keeps what it has."""
        servers = {ImageName.of(entry.image).server for entry in configuration.workloads if entry.image}
        wanted = tuple(sorted(servers - {self._registry_host}))
        if not wanted:
            return coreflow_pb2.ExternalCredentials()
        known = self._known.get(wanted)
        if known is not None and known[1] > time.monotonic():
            return known[0]
        try:
            found = await self._source.pull_logins(wanted)
        except DomainError as error:
            log.warning("external_logins.not_told", servers=wanted, error=error.message)
            return None
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[wanted] = found, time.monotonic() + _KEPT_SECONDS
        return found

    def forget(self) -> None:
        """Ask again next time: some login has changed."""
        self._known.clear()
