"""Asking sources: who wants to be left alone is, and whether they answer stands in their records."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp

from cloudly_registry.external_registries import ExternalRegistries
from cloudly_registry.pull_through.sources import Source, UpstreamMissing
from cloudly_registry.upstream import Upstream, UpstreamLimited, UpstreamLoginRefused, UpstreamUnreachable


class Asking:
    """Requests for manifests and blobs of all sources."""

    def __init__(self, upstream: Upstream, registries: ExternalRegistries) -> None:
        self._upstream = upstream
        self._registries = registries
        self._limited: dict[tuple[str, str], float] = {}
        """Until when a server is left alone with one kind of request: Docker Hub counts manifests, not blobs."""

    @asynccontextmanager
    async def request(
        self, source: Source, method: str, kind: str, reference: str, headers: Mapping[str, str] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer to a request for a manifest or a blob (`kind` is `manifests` or `blobs`): 200, or 304 where asked for.

        A failure is written down, also one that the block meets while it reads, and so is that it is over.

        Raises:
            UpstreamMissing, UpstreamDenied, UpstreamLimited, UpstreamUnreachable.
        """
        left = self._limited.get((source.server, kind), 0.0) - time.monotonic()
        if left > 0:
            raise UpstreamLimited(source.server, int(left) + 1)
        path = f"/v2/{source.repository}/{kind}/{reference}"
        try:
            async with self._upstream.request(source.login, method, path, source.scope, headers) as answer:
                if answer.status == 404:
                    raise UpstreamMissing(f"{source.server} has no {reference} of {source.repository}")
                if answer.status not in (200, 304):
                    raise UpstreamUnreachable(f"{source.server} answers {answer.status}")
                yield answer
        except (UpstreamLimited, UpstreamUnreachable, UpstreamLoginRefused) as error:
            if isinstance(error, UpstreamLimited):
                self._limited[source.server, kind] = time.monotonic() + error.seconds
            await self._registries.pulled(source.registry_id, source.login, error)
            raise
        await self._registries.pulled(source.registry_id, source.login)
