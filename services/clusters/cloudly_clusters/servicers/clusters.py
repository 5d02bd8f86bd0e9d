"""ClusterService."""

from collections.abc import AsyncIterator
from typing import Any

from cloudly.clusters.v1 import cluster_pb2, cluster_pb2_grpc
from cloudly_kit.access import check_limits
from cloudly_kit.masks import apply_mask
from cloudly_kit.resources import page_request, request_key
from cloudly_kit.watches import watch_event

from cloudly_clusters.clusters import Clusters, to_message
from cloudly_clusters.pushes import Pushes
from cloudly_clusters.store import ClustersStore


class ClusterServicer(cluster_pb2_grpc.ClusterServiceServicer):
    """See proto/cloudly/clusters/v1/cluster.proto."""

    def __init__(self, clusters: Clusters, pushes: Pushes, store: ClustersStore) -> None:
        self._clusters = clusters
        self._pushes = pushes
        self._store = store

    async def CreateCluster(
        self, request: cluster_pb2.CreateClusterRequest, context: Any
    ) -> cluster_pb2.CreateClusterResponse:
        """Make a cluster."""
        document, jump_code = await self._clusters.create(request.cluster, request_key(request))
        return cluster_pb2.CreateClusterResponse(cluster=to_message(document), jump_code=jump_code)

    async def GetCluster(self, request: cluster_pb2.GetClusterRequest, context: Any) -> cluster_pb2.GetClusterResponse:
        """One cluster."""
        check_limits(cluster=request.cluster_id)
        return cluster_pb2.GetClusterResponse(cluster=to_message(await self._clusters.get(request.cluster_id)))

    async def ListClusters(
        self, request: cluster_pb2.ListClustersRequest, context: Any
    ) -> cluster_pb2.ListClustersResponse:
        """A page of clusters."""
        page = await self._clusters.list(page_request(request))
        return cluster_pb2.ListClustersResponse(
            clusters=map(to_message, page.items), next_page_token=page.next_page_token
        )

    async def UpdateCluster(
        self, request: cluster_pb2.UpdateClusterRequest, context: Any
    ) -> cluster_pb2.UpdateClusterResponse:
        """Change a cluster's name, labels or signature policy."""
        check_limits(cluster=request.cluster.id)
        document = await self._clusters.update(
            request.cluster.id,
            lambda present: apply_mask(present, request.cluster, request.update_mask),
            request.cluster.etag,
        )
        # What was held back may be what the new policy lets through.
        await self._pushes.reconsider_all(document.id)
        return cluster_pb2.UpdateClusterResponse(cluster=to_message(document))

    async def DeleteCluster(
        self, request: cluster_pb2.DeleteClusterRequest, context: Any
    ) -> cluster_pb2.DeleteClusterResponse:
        """Delete a cluster."""
        check_limits(cluster=request.cluster_id)
        await self._clusters.delete(request.cluster_id, request.etag, force=request.force)
        return cluster_pb2.DeleteClusterResponse()

    async def RotateJumpCode(
        self, request: cluster_pb2.RotateJumpCodeRequest, context: Any
    ) -> cluster_pb2.RotateJumpCodeResponse:
        """A new jump code."""
        check_limits(cluster=request.cluster_id)
        overlap = request.overlap_seconds if request.HasField("overlap_seconds") else None
        jump_code = await self._clusters.rotate_jump_code(request.cluster_id, overlap)
        return cluster_pb2.RotateJumpCodeResponse(jump_code=jump_code)

    async def WatchClusters(
        self, request: cluster_pb2.WatchClustersRequest, context: Any
    ) -> AsyncIterator[cluster_pb2.WatchClustersResponse]:
        """All clusters, and every change of one."""
        async for change in self._store.clusters.watch(scopes=["-"], cursor=request.cursor):
            yield cluster_pb2.WatchClustersResponse(
                event=watch_event(change),
                cluster=to_message(change.document) if change.document else None,
                cursor=change.cursor,
            )
