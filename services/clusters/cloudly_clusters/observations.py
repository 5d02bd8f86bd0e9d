"""What an agent reports, written down: nodes, deployments, and what it means for each workload's status.

Only differences are written: an agent reports whole states, often, and mostly nothing has changed.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from cloudly.clusters.v1 import cluster_pb2, deployment_pb2, node_pb2, workload_pb2
from cloudly.coreflow.v1 import coreflow_pb2
from cloudly_kit.ids import derived_id
from cloudly_kit.resources import with_metadata
from cloudly_kit.store import Page, PageRequest
from google.protobuf import json_format
from google.protobuf.message import Message

from cloudly_clusters import clusters
from cloudly_clusters.status import View, workload_status
from cloudly_clusters.store import (
    ClusterDocument,
    ClustersStore,
    DeploymentDocument,
    NodeDocument,
    WorkloadDocument,
)
from cloudly_clusters.wishes import wished_replicas

log = structlog.get_logger()


def with_status(document: WorkloadDocument, agent_state: int) -> WorkloadDocument:
    """The workload with the status that follows from its wish, what was seen of it, and its agent's state."""
    seen = None
    if document.observation is not None:
        seen = json_format.ParseDict(
            document.observation, coreflow_pb2.WorkloadObservation(), ignore_unknown_fields=True
        )
    view = View(
        generation=document.generation,
        wished_replicas=wished_replicas(document),
        has_image=bool(document.wish.get("image") or document.image_digest),
        registry_target=document.registry_target,
        agent_state=agent_state,
        agent_error=document.agent_error,
        seen=seen,
        held=_held(document),
        wished_digest="" if document.wish.get("image") else document.image_digest,
    )
    before = json_format.ParseDict(document.status, workload_pb2.WorkloadStatus(), ignore_unknown_fields=True)
    status = workload_status(view, before)
    for condition in status.conditions:
        if not condition.HasField("last_transition_time"):
            condition.last_transition_time.FromDatetime(clusters.now())
    return document.model_copy(update={"status": _plain(status)})


def _held(document: WorkloadDocument) -> str:
    held = document.held
    if held is None:
        return ""
    return (
        f"{held.tag} ({held.digest}) is not rolled out: {held.reason}. Sign it with a key that is trusted: "
        f"cosign sign --key cosign.key {document.registry_target}@{held.digest}"
    )


class Observations:
    """Writes down what agents see."""

    def __init__(self, store: ClustersStore) -> None:
        self._store = store

    async def report(self, cluster_id: str, report: coreflow_pb2.StatusReport) -> None:
        """Take in a whole report of a cluster's agent."""
        await self._nodes(cluster_id, report.nodes)
        await self._deployments(cluster_id, report.workloads)
        cluster = await self._store.clusters.get(cluster_id)
        state = cluster_pb2.AgentState.Value(cluster.agent_state)
        seen = {observation.workload_id: observation for observation in report.workloads}
        for workload in await self._store.workloads.find_all(scope=cluster_id):
            await self._observe(workload.id, seen.get(workload.id), state)

    async def refuse(self, cluster_id: str, errors: dict[str, str]) -> None:
        """Write down which workloads the agent could not apply, and which it could again."""
        cluster = await self._store.clusters.get(cluster_id)
        state = cluster_pb2.AgentState.Value(cluster.agent_state)
        for workload in await self._store.workloads.find_all(scope=cluster_id):
            error = errors.get(workload.id, "")
            if workload.agent_error == error:
                continue

            def mutate(found: WorkloadDocument, error: str = error) -> WorkloadDocument:
                return with_status(found.model_copy(update={"agent_error": error}), state)

            await self._store.workloads.change(workload.id, mutate)

    async def refresh(self, cluster_id: str) -> None:
        """Work out all statuses of a cluster again, as after its agent came or went."""
        cluster = await self._store.clusters.get(cluster_id)
        state = cluster_pb2.AgentState.Value(cluster.agent_state)
        for workload in await self._store.workloads.find_all(scope=cluster_id):

            def mutate(found: WorkloadDocument) -> WorkloadDocument | None:
                refreshed = with_status(found, state)
                return None if refreshed.status == found.status else refreshed

            await self._store.workloads.change(workload.id, mutate)

    async def get_deployment(self, deployment_id: str) -> DeploymentDocument:
        """One deployment.

        Raises:
            NotFound: there is none with this id.
        """
        return await self._store.deployments.get(deployment_id)

    async def list_deployments(
        self, cluster_id: str, request: PageRequest, equal: Mapping[str, str]
    ) -> Page[DeploymentDocument]:
        """A page of deployments, of one cluster or of all, with these values."""
        scopes = [cluster_id] if cluster_id else await self._store.cluster_ids()
        return await self._store.deployments.page(scopes, request, **equal)

    async def list_nodes(self, cluster_id: str, request: PageRequest) -> Page[NodeDocument]:
        """A page of nodes, of one cluster or of all."""
        scopes = [cluster_id] if cluster_id else await self._store.cluster_ids()
        return await self._store.nodes.page(scopes, request)

    async def _observe(self, workload_id: str, seen: coreflow_pb2.WorkloadObservation | None, agent_state: int) -> None:
        observation = None if seen is None else _plain(seen)

        def mutate(found: WorkloadDocument) -> WorkloadDocument | None:
            observed = with_status(found.model_copy(update={"observation": observation}), agent_state)
            return None if observed == found else observed

        await self._store.workloads.change(workload_id, mutate)

    async def _nodes(self, cluster_id: str, nodes: Iterable[coreflow_pb2.NodeStatus]) -> None:
        held = {document.id: document for document in await self._store.nodes.find_all(scope=cluster_id)}
        reported = 0
        for node in nodes:
            reported += 1
            id_ = f"{cluster_id}.{node.id}"
            seen = _plain(node)
            known = held.pop(id_, None)
            if known is None:
                await self._store.nodes.insert(NodeDocument(id=id_, scope=cluster_id, name=node.name, seen=seen))
            elif known.seen != seen:
                await self._store.nodes.replace(known.model_copy(update={"seen": seen, "name": node.name}))
        for gone in held.values():
            await self._store.nodes.delete(gone.id)

        def mutate(found: ClusterDocument) -> ClusterDocument | None:
            return None if found.node_count == reported else found.model_copy(update={"node_count": reported})

        await self._store.clusters.change(cluster_id, mutate)

    async def _deployments(self, cluster_id: str, workloads: Iterable[coreflow_pb2.WorkloadObservation]) -> None:
        held = {document.id: document for document in await self._store.deployments.find_all(scope=cluster_id)}
        names = {document.id: document.name for document in await self._store.workloads.find_all(scope=cluster_id)}
        for observation in workloads:
            for task in observation.deployments:
                id_ = derived_id(cluster_id, task.task_id)
                seen = _plain(task)
                known = held.pop(id_, None)
                if known is None:
                    name = f"{names.get(observation.workload_id, observation.workload_id)}.{task.slot}"
                    await self._store.deployments.insert(
                        DeploymentDocument(
                            id=id_,
                            scope=cluster_id,
                            name=name,
                            workload_id=observation.workload_id,
                            node_id=task.node_id,
                            seen=seen,
                        )
                    )
                elif known.seen != seen:
                    await self._store.deployments.replace(
                        known.model_copy(update={"seen": seen, "node_id": task.node_id})
                    )
        for gone in held.values():
            await self._store.deployments.delete(gone.id)


def deployment_to_message(document: DeploymentDocument) -> deployment_pb2.Deployment:
    """The deployment as clients see it."""
    seen = json_format.ParseDict(document.seen, coreflow_pb2.DeploymentObservation(), ignore_unknown_fields=True)
    message = deployment_pb2.Deployment(
        name=document.name,
        cluster_id=document.scope,
        workload_id=document.workload_id,
        node_id=seen.node_id,
        container_id=seen.container_id,
        image=seen.image,
        image_digest=seen.image_digest,
        workload_generation=seen.workload_generation,
        state=seen.state,
        health=seen.health,
        reason=seen.reason,
        message=seen.message,
        log_tail=seen.log_tail,
        start_time=seen.start_time if seen.HasField("start_time") else None,
    )
    return with_metadata(message, document)


def node_to_message(document: NodeDocument) -> node_pb2.Node:
    """The node as clients see it."""
    seen = json_format.ParseDict(document.seen, coreflow_pb2.NodeStatus(), ignore_unknown_fields=True)
    message = node_pb2.Node(
        cluster_id=document.scope,
        role=seen.role,
        state=seen.state,
        address=seen.address,
        cpus=seen.cpus,
        memory_bytes=seen.memory_bytes,
        engine_version=seen.engine_version,
        architecture=seen.architecture,
    )
    message = with_metadata(message, document)
    message.id, message.name = seen.id, seen.name
    return message


def _plain(message: Message) -> dict[str, Any]:
    return json_format.MessageToDict(message, preserving_proto_field_name=True)
