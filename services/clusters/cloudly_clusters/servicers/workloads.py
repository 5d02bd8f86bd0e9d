"""WorkloadService."""

from collections.abc import AsyncIterator
from typing import Any

from cloudly.clusters.v1 import workload_pb2, workload_pb2_grpc
from cloudly_kit.access import check_limits, is_limited
from cloudly_kit.identity import caller
from cloudly_kit.masks import apply_mask
from cloudly_kit.resources import page_request, request_key
from cloudly_kit.store import PageRequest
from cloudly_kit.watches import watch_event

from cloudly_clusters.pushes import Pushes
from cloudly_clusters.store import ClustersStore
from cloudly_clusters.workloads import Workloads, to_message, version_to_message


class WorkloadServicer(workload_pb2_grpc.WorkloadServiceServicer):
    """See proto/cloudly/clusters/v1/workload.proto."""

    def __init__(self, workloads: Workloads, pushes: Pushes, store: ClustersStore) -> None:
        self._workloads = workloads
        self._pushes = pushes
        self._store = store

    async def CreateWorkload(
        self, request: workload_pb2.CreateWorkloadRequest, context: Any
    ) -> workload_pb2.CreateWorkloadResponse:
        """Make a workload."""
        check_limits(cluster=request.workload.cluster_id)
        document = await self._workloads.create(request.workload, caller().actor.name, request_key(request))
        return workload_pb2.CreateWorkloadResponse(workload=to_message(document))

    async def GetWorkload(
        self, request: workload_pb2.GetWorkloadRequest, context: Any
    ) -> workload_pb2.GetWorkloadResponse:
        """One workload."""
        document = await self._workloads.get(request.workload_id)
        check_limits(cluster=document.scope, workload=document.id)
        return workload_pb2.GetWorkloadResponse(workload=to_message(document))

    async def ListWorkloads(
        self, request: workload_pb2.ListWorkloadsRequest, context: Any
    ) -> workload_pb2.ListWorkloadsResponse:
        """A page of workloads."""
        check_limits(cluster=request.cluster_id)
        page = await self._workloads.list(request.cluster_id, page_request(request))
        return workload_pb2.ListWorkloadsResponse(
            workloads=map(to_message, page.items), next_page_token=page.next_page_token
        )

    async def UpdateWorkload(
        self, request: workload_pb2.UpdateWorkloadRequest, context: Any
    ) -> workload_pb2.UpdateWorkloadResponse:
        """Change a workload's wish."""
        await self._check_limits(request.workload.id)
        document = await self._workloads.update(
            request.workload.id,
            lambda present: apply_mask(present, request.workload, request.update_mask),
            request.workload.etag,
            caller().actor.name,
        )
        if document.held is not None:
            # What was held back may be what the new policy lets through.
            await self._pushes.reconsider(document.id)
            document = await self._workloads.get(document.id)
        return workload_pb2.UpdateWorkloadResponse(workload=to_message(document))

    async def DeleteWorkload(
        self, request: workload_pb2.DeleteWorkloadRequest, context: Any
    ) -> workload_pb2.DeleteWorkloadResponse:
        """Delete a workload."""
        await self._check_limits(request.workload_id)
        await self._workloads.delete(request.workload_id, request.etag)
        return workload_pb2.DeleteWorkloadResponse()

    async def RollbackWorkload(
        self, request: workload_pb2.RollbackWorkloadRequest, context: Any
    ) -> workload_pb2.RollbackWorkloadResponse:
        """Wish an earlier version again."""
        await self._check_limits(request.workload_id)
        document = await self._workloads.rollback(
            request.workload_id, request.generation, request.etag, caller().actor.name
        )
        return workload_pb2.RollbackWorkloadResponse(workload=to_message(document))

    async def ListWorkloadVersions(
        self, request: workload_pb2.ListWorkloadVersionsRequest, context: Any
    ) -> workload_pb2.ListWorkloadVersionsResponse:
        """A page of a workload's versions."""
        await self._check_limits(request.workload_id)
        paging = PageRequest(
            page_size=request.page_size,
            page_token=request.page_token,
            order_by="number desc",
            caller=caller().actor.id,
        )
        page = await self._workloads.list_versions(request.workload_id, paging)
        return workload_pb2.ListWorkloadVersionsResponse(
            versions=map(version_to_message, page.items), next_page_token=page.next_page_token
        )

    async def WatchWorkloads(
        self, request: workload_pb2.WatchWorkloadsRequest, context: Any
    ) -> AsyncIterator[workload_pb2.WatchWorkloadsResponse]:
        """Workloads of a cluster or of all, and every change of one."""
        check_limits(cluster=request.cluster_id)
        scopes = [request.cluster_id] if request.cluster_id else None
        async for change in self._store.workloads.watch(scopes=scopes, cursor=request.cursor):
            yield workload_pb2.WatchWorkloadsResponse(
                event=watch_event(change),
                workload=to_message(change.document) if change.document else None,
                cursor=change.cursor,
            )

    async def _check_limits(self, workload_id: str) -> None:
        # Its cluster never changes, so what is read here holds for the write that follows.
        if is_limited():
            document = await self._workloads.get(workload_id)
            check_limits(cluster=document.scope, workload=document.id)
