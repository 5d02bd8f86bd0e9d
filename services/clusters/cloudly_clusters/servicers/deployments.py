"""DeploymentService and NodeService: what the agents saw."""

from collections.abc import AsyncIterator
from typing import Any

from cloudly.clusters.v1 import deployment_pb2, deployment_pb2_grpc, node_pb2, node_pb2_grpc
from cloudly_kit.access import check_limits
from cloudly_kit.resources import page_request
from cloudly_kit.watches import watch_event

from cloudly_clusters.observations import Observations, deployment_to_message, node_to_message
from cloudly_clusters.store import ClustersStore


class DeploymentServicer(deployment_pb2_grpc.DeploymentServiceServicer):
    """See proto/cloudly/clusters/v1/deployment.proto."""

    def __init__(self, observations: Observations, store: ClustersStore) -> None:
        self._observations = observations
        self._store = store

    async def GetDeployment(
        self, request: deployment_pb2.GetDeploymentRequest, context: Any
    ) -> deployment_pb2.GetDeploymentResponse:
        """One deployment."""
        document = await self._observations.get_deployment(request.deployment_id)
        check_limits(cluster=document.scope, workload=document.workload_id)
        return deployment_pb2.GetDeploymentResponse(deployment=deployment_to_message(document))

    async def ListDeployments(
        self, request: deployment_pb2.ListDeploymentsRequest, context: Any
    ) -> deployment_pb2.ListDeploymentsResponse:
        """A page of deployments."""
        check_limits(cluster=request.cluster_id, workload=request.workload_id)
        wanted = {"workload_id": request.workload_id, "node_id": request.node_id}
        equal = {field: value for field, value in wanted.items() if value}
        page = await self._observations.list_deployments(request.cluster_id, page_request(request), equal)
        return deployment_pb2.ListDeploymentsResponse(
            deployments=map(deployment_to_message, page.items), next_page_token=page.next_page_token
        )

    async def WatchDeployments(
        self, request: deployment_pb2.WatchDeploymentsRequest, context: Any
    ) -> AsyncIterator[deployment_pb2.WatchDeploymentsResponse]:
        """Deployments of a cluster or of all, and every change of one."""
        check_limits(cluster=request.cluster_id)
        scopes = [request.cluster_id] if request.cluster_id else None
        async for change in self._store.deployments.watch(scopes=scopes, cursor=request.cursor):
            yield deployment_pb2.WatchDeploymentsResponse(
                event=watch_event(change),
                deployment=deployment_to_message(change.document) if change.document else None,
                cursor=change.cursor,
            )


class NodeServicer(node_pb2_grpc.NodeServiceServicer):
    """See proto/cloudly/clusters/v1/node.proto."""

    def __init__(self, observations: Observations) -> None:
        self._observations = observations

    async def ListNodes(self, request: node_pb2.ListNodesRequest, context: Any) -> node_pb2.ListNodesResponse:
        """A page of nodes."""
        check_limits(cluster=request.cluster_id)
        page = await self._observations.list_nodes(request.cluster_id, page_request(request))
        return node_pb2.ListNodesResponse(nodes=map(node_to_message, page.items), next_page_token=page.next_page_token)
