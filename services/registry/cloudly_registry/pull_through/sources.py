"""Which repositories are copies, and of what."""

import time
from dataclasses import dataclass

from cloudly_kit.hints import Hints

from cloudly_registry.errors import Denied, ManifestUnknown, OciError, ServiceUnavailable, TooManyRequests
from cloudly_registry.external_registries import HINT, ExternalRegistries
from cloudly_registry.external_registry_store import ExternalRegistryDocument, ExternalRegistryStore
from cloudly_registry.upstream import DOCKER_HUB, Login, UpstreamDenied, UpstreamError, UpstreamLimited

_REMEMBER_SECONDS = 30.0
_TTL_SECONDS = 300
_KEEP_DAYS = 14


@dataclass(frozen=True)
class Source:
    """Where a repository's content comes from."""

    registry_id: str
    server: str
    repository: str
    """Its name there."""
    login: Login
    ttl_seconds: int
    keep_days: int

    @property
    def scope(self) -> str:
        """The right to read it."""
        return f"repository:{self.repository}:pull"


class Sources:
    """The external registries that are pulled through, by their prefixes."""

    def __init__(self, store: ExternalRegistryStore, registries: ExternalRegistries, hints: Hints) -> None:
        self._store = store
        self._registries = registries
        self._hints = hints
        self._known: dict[str, ExternalRegistryDocument] = {}
        self._until = 0.0

    async def of(self, repository: str) -> Source | None:
        """The source of a repository; None where it is one of our own. May be some seconds old."""
        if time.monotonic() > self._until:
            self._known = {one.cache_prefix: one for one in await self._store.cached()}
            self._until = time.monotonic() + _REMEMBER_SECONDS
        prefix, _, name = repository.partition("/")
        found = self._known.get(prefix)
        if found is None or not name:
            return None
        if found.server == DOCKER_HUB and "/" not in name:
            name = f"library/{name}"
        ttl, days = found.cache_ttl_seconds or _TTL_SECONDS, found.cache_days or _KEEP_DAYS
        return Source(found.id, found.server, name, self._registries.login(found), ttl, days)

    async def refuse_push(self, repository: str) -> None:
        """Raises Denied where a repository is a copy."""
        source = await self.of(repository)
        if source is not None:
            raise Denied(f"this repository is a copy of {source.server}/{source.repository}: push there")

    async def follow(self) -> None:
        """Look again when an external registry was changed, for ever."""
        async for _ in self._hints.subscribe(HINT):
            self._until = 0.0


def as_oci(error: UpstreamError, reference: str) -> OciError:
    """What a client is told of an upstream that did not help."""
    if isinstance(error, UpstreamLimited):
        return TooManyRequests(str(error), {"retryAfterSeconds": error.seconds})
    if isinstance(error, UpstreamDenied):
        return Denied(str(error), {"reference": reference})
    if isinstance(error, UpstreamMissing):
        return ManifestUnknown(reference)
    return ServiceUnavailable(str(error), {"reference": reference})


class UpstreamMissing(UpstreamError):
    """It has no such thing."""
