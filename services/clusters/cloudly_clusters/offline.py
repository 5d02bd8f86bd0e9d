"""Agents that are gone without a word: their lease has run out."""

import asyncio
import time

import redis.asyncio
import structlog
from cloudly_kit.audit.journal import Journal

from cloudly_clusters import clusters
from cloudly_clusters.agent_audit import by_clusters
from cloudly_clusters.observations import Observations
from cloudly_clusters.store import ClusterDocument, ClustersStore
from cloudly_clusters.streams import lease_key

log = structlog.get_logger()


class OfflineSweep:
    """Finds agents whose lease has run out and says that they are offline."""

    INTERVAL_SECONDS = 5.0

    def __init__(
        self,
        store: ClustersStore,
        observations: Observations,
        redis: redis.asyncio.Redis,
        journal: Journal,
        heartbeat_seconds: int,
    ) -> None:
        self._store = store
        self._observations = observations
        self._redis = redis
        self._journal = journal
        self._grace = heartbeat_seconds * 1.5
        self._missing_since: dict[str, float] = {}

    async def run(self) -> None:
        """Sweep for ever."""
        while True:
            await self.sweep()
            await asyncio.sleep(self.INTERVAL_SECONDS)

    async def sweep(self) -> None:
        """One sweep. A lease must be missing for longer than a heartbeat, since a wiped Redis is told again by the next."""
        for cluster in await self._store.clusters.find_all(scope="-", agent_state="AGENT_STATE_ONLINE"):
            if await self._redis.exists(lease_key(cluster.id)):
                self._missing_since.pop(cluster.id, None)
                continue
            since = self._missing_since.setdefault(cluster.id, time.monotonic())
            if time.monotonic() - since >= self._grace:
                await self._offline(cluster)
                del self._missing_since[cluster.id]

    async def _offline(self, cluster: ClusterDocument) -> None:
        time_ = clusters.now()

        def mutate(found: ClusterDocument) -> ClusterDocument | None:
            if found.epoch != cluster.epoch or found.agent_state != "AGENT_STATE_ONLINE":
                return None
            return found.model_copy(update={"agent_state": "AGENT_STATE_OFFLINE", "agent_state_time": time_})

        async with by_clusters(self._journal, "AgentOffline", cluster.id):
            await self._store.clusters.change(cluster.id, mutate)
        await self._observations.refresh(cluster.id)
        log.warning("agent.offline", cluster=cluster.id)
