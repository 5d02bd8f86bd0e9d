"""Tells the registry which digests a cluster runs or could roll back to, so that these are never deleted."""

import asyncio
import contextlib
import random
from typing import Protocol

import structlog
from cloudly_kit.errors import DomainError, NotFound
from cloudly_kit.hints import Hints

from cloudly_clusters import clusters
from cloudly_clusters.store import ClustersStore

log = structlog.get_logger()


class PinTarget(Protocol):
    """What pins need of the registry."""

    async def set_pins(self, cluster_id: str, digests: list[str], revision: int) -> None:
        """Tell all pins of a cluster."""
        ...


class Pins:
    """Keeps the registry told, after each change and again every few minutes."""

    RESYNC_SECONDS = 300.0

    def __init__(self, store: ClustersStore, hints: Hints, target: PinTarget) -> None:
        self._store = store
        self._hints = hints
        self._target = target

    async def run(self) -> None:
        """Tell for ever."""
        wake: asyncio.Queue[str] = asyncio.Queue()

        async def listen() -> None:
            async for cluster_id in self._hints.subscribe(clusters.HINT):
                wake.put_nowait(cluster_id)

        async with asyncio.TaskGroup() as group:
            group.create_task(listen())
            while True:
                dirty = ""
                with contextlib.suppress(TimeoutError):
                    dirty = await asyncio.wait_for(wake.get(), self.RESYNC_SECONDS * random.uniform(0.8, 1.2))
                for cluster_id in [dirty] if dirty else await self._store.cluster_ids():
                    await self.tell(cluster_id)

    async def tell(self, cluster_id: str) -> None:
        """Tell the pins of one cluster; a registry that is away is told at the next resync."""
        try:
            cluster = await self._store.clusters.get(cluster_id)
            digests, revision = await self._digests(cluster_id), cluster.revision
        except NotFound:
            # A deleted cluster pins nothing; no later revision can follow.
            digests, revision = set(), 2**62
        try:
            await self._target.set_pins(cluster_id, sorted(digests), revision)
        except DomainError as error:
            log.warning("pins.not_told", cluster=cluster_id, error=error.message)

    async def _digests(self, cluster_id: str) -> set[str]:
        digests = set()
        for workload in await self._store.workloads.find_all(scope=cluster_id):
            digests.add(workload.image_digest)
            digests |= {version.image_digest for version in await self._store.versions.find_all(scope=workload.id)}
        for deployment in await self._store.deployments.find_all(scope=cluster_id):
            digests.add(str(deployment.seen.get("image_digest", "")))
        return digests - {""}
