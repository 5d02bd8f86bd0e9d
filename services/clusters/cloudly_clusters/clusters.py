"""Clusters: making one with its machine identity, changing it, and what its agent's coming and going does to it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog
from cloudly.clusters.v1 import cluster_pb2
from cloudly.common.v1 import condition_pb2
from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.errors import FailedPrecondition, StaleEtag
from cloudly_kit.hints import Hints
from cloudly_kit.ids import new_etag, new_id
from cloudly_kit.resources import timestamp, with_metadata
from cloudly_kit.store import Page, PageRequest, RequestKey, Session
from google.protobuf import json_format

from cloudly_clusters.signature_policies import check_cluster_policy, cluster_policy
from cloudly_clusters.store import ClusterDocument, ClustersStore

log = structlog.get_logger()

HINT = "clusters"
"""The hint that a cluster's revision has grown; its payload is the cluster's id."""
DEFAULT_OVERLAP_SECONDS = 3600


class Identities(Protocol):
    """What clusters needs of auth."""

    async def create(self, cluster_id: str, name: str, overlap_seconds: int) -> tuple[str, str]:
        """Make or renew the machine identity: its id and a new jump code."""
        ...

    async def delete(self, cluster_id: str) -> None:
        """Revoke it."""
        ...


class Clusters:
    """The rules of clusters."""

    def __init__(self, store: ClustersStore, hints: Hints, identities: Identities) -> None:
        self._store = store
        self._hints = hints
        self._identities = identities

    async def create(self, wish: cluster_pb2.Cluster, request: RequestKey | None) -> tuple[ClusterDocument, str]:
        """Make a cluster; answers it with its jump code, which is empty when the create was repeated.

        Raises:
            AlreadyExists: the name is taken.
            InvalidArgument: the signature policy cannot be kept.
        """
        mode = wish.setup_mode or cluster_pb2.SETUP_MODE_MANUAL
        document, repeated = await self._store.clusters.insert(
            ClusterDocument(
                id=new_id(),
                **_wished(wish),
                wish_etag=new_etag(),
                setup_mode=cluster_pb2.SetupMode.Name(mode),
            ),
            request=request,
        )
        if repeated and document.identity_id:
            return document, ""
        crashpoint("clusters.create.after_write")
        identity_id, jump_code = await self._identities.create(document.id, document.name, 0)
        document = await self._store.clusters.change(
            document.id, lambda found: found.model_copy(update={"identity_id": identity_id})
        )
        log.info("cluster.created", cluster=document.id, name=document.name)
        return document, jump_code

    async def get(self, cluster_id: str) -> ClusterDocument:
        """One cluster.

        Raises:
            NotFound: there is none with this id.
        """
        return await self._store.clusters.get(cluster_id)

    async def list(self, request: PageRequest) -> Page[ClusterDocument]:
        """A page of clusters."""
        return await self._store.clusters.page(["-"], request)

    async def update(
        self, cluster_id: str, change: Callable[[cluster_pb2.Cluster], cluster_pb2.Cluster], etag: str
    ) -> ClusterDocument:
        """Change name, labels or signature policy by `change`, which gets the present cluster and answers the new one.

        Raises:
            NotFound: there is no such cluster.
            StaleEtag: somebody changed it since `etag`.
            AlreadyExists: the name is taken.
            InvalidArgument: the signature policy cannot be kept.
        """

        def mutate(found: ClusterDocument) -> ClusterDocument | None:
            check_wish_etag("cluster", found, etag)
            changed = found.model_copy(update=_wished(change(to_message(found))))
            return None if changed == found else changed.model_copy(update={"wish_etag": new_etag()})

        return await self._store.clusters.change(cluster_id, mutate)

    async def delete(self, cluster_id: str, etag: str, *, force: bool) -> None:
        """Delete a cluster's record and cut its agent off.

        Raises:
            FailedPrecondition: it has workloads and `force` is false.
        """
        cluster = await self._store.clusters.get(cluster_id)
        check_wish_etag("cluster", cluster, etag)
        workloads = await self._store.workloads.find_all(scope=cluster_id)
        if workloads and not force:
            message = f"the cluster {cluster.name!r} has {len(workloads)} workloads: delete them first, or use force"
            raise FailedPrecondition(message)
        # The identity goes first: a crash behind it leaves a cluster without an agent, which can be deleted again.
        await self._identities.delete(cluster_id)
        crashpoint("clusters.delete.after_identity")
        for collection in (self._store.workloads, self._store.deployments, self._store.nodes):
            for document in await collection.find_all(scope=cluster_id):
                await collection.delete(document.id)
        await self._store.clusters.delete(cluster_id)
        await self._hints.publish(HINT, cluster_id)
        log.info("cluster.deleted", cluster=cluster_id, workloads=len(workloads))

    async def rotate_jump_code(self, cluster_id: str, overlap_seconds: int | None) -> str:
        """A new jump code; the old one goes on working for the overlap (an hour where None)."""
        cluster = await self._store.clusters.get(cluster_id)
        overlap = DEFAULT_OVERLAP_SECONDS if overlap_seconds is None else overlap_seconds
        identity_id, jump_code = await self._identities.create(cluster.id, cluster.name, overlap)
        if cluster.identity_id != identity_id:
            await self._store.clusters.change(
                cluster.id, lambda found: found.model_copy(update={"identity_id": identity_id})
            )
        return jump_code


async def raise_revision(
    store: ClustersStore, cluster_id: str, session: Session, *, workloads: int = 0
) -> ClusterDocument:
    """Grow the cluster's revision by one, in the transaction that changes what should run on it.

    `workloads` is by how many the cluster's workloads become more (or, below zero, fewer) in it.
    """

    def mutate(found: ClusterDocument) -> ClusterDocument:
        news = {"revision": found.revision + 1, "workload_count": found.workload_count + workloads}
        return found.model_copy(update=news)

    return await store.clusters.change(cluster_id, mutate, session=session)


def check_wish_etag(kind: str, document: ClusterDocument, etag: str) -> None:
    """Refuse a write that was made for an earlier wish."""
    if etag and etag != document.wish_etag:
        raise StaleEtag(kind, document.id, document.wish_etag)


def _wished(wish: cluster_pb2.Cluster) -> dict[str, Any]:
    check_cluster_policy(wish.signature_policy)
    policy = json_format.MessageToDict(wish.signature_policy, preserving_proto_field_name=True)
    return {"name": wish.name, "labels": dict(wish.labels), "signature_policy": policy}


def to_message(document: ClusterDocument) -> cluster_pb2.Cluster:
    """The cluster as clients see it."""
    message = cluster_pb2.Cluster(
        name=document.name,
        setup_mode=cluster_pb2.SetupMode.Value(document.setup_mode),
        identity_id=document.identity_id,
        agent_state=cluster_pb2.AgentState.Value(document.agent_state),
        agent_state_time=timestamp(document.agent_state_time),
        agent_version=document.agent_version,
        revision=document.revision,
        applied_revision=document.applied_revision,
        conditions=_conditions(document),
        node_count=document.node_count,
        workload_count=document.workload_count,
    )
    if document.signature_policy:
        message.signature_policy.CopyFrom(cluster_policy(document))
    return with_metadata(message, document, etag=document.wish_etag)


def _conditions(document: ClusterDocument) -> list[condition_pb2.Condition]:
    online = document.agent_state == "AGENT_STATE_ONLINE"
    awaited = document.agent_state == "AGENT_STATE_AWAITED"
    true, false, unknown = (
        condition_pb2.CONDITION_STATUS_TRUE,
        condition_pb2.CONDITION_STATUS_FALSE,
        condition_pb2.CONDITION_STATUS_UNKNOWN,
    )
    conditions = [
        condition_pb2.Condition(
            type="AgentOnline",
            status=true if online else false,
            reason="ONLINE" if online else "AGENT_AWAITED" if awaited else "AGENT_OFFLINE",
            message=""
            if online
            else "start coreflow with the cluster's jump code"
            if awaited
            else "no heartbeat for longer than the lease",
            last_transition_time=timestamp(document.agent_state_time),
        )
    ]
    if document.outcome:
        applied = document.outcome == "CONFIG_OUTCOME_APPLIED" and document.applied_revision >= document.revision
        refused = document.outcome in ("CONFIG_OUTCOME_REJECTED", "CONFIG_OUTCOME_PARTIAL")
        conditions.append(
            condition_pb2.Condition(
                type="ConfigurationApplied",
                status=true if applied else false if refused else unknown,
                reason=document.outcome.removeprefix("CONFIG_OUTCOME_") if applied or refused else "APPLYING",
                message=document.outcome_reason,
                last_transition_time=timestamp(document.outcome_time),
            )
        )
    return conditions


def now() -> datetime:
    """The time, as documents keep it (to the millisecond)."""
    time = datetime.now(UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)
