"""Services: workloads, as legacy clients call them."""

from collections import defaultdict
from typing import Any

from cloudly.clusters.v1 import deployment_pb2, workload_pb2
from google.protobuf.field_mask_pb2 import FieldMask

from cloudly_gateway.typedrequest.adapters.cluster import DELETED, only_cluster_id
from cloudly_gateway.typedrequest.calls import Calls, every
from cloudly_gateway.typedrequest.fields import Fields
from cloudly_gateway.typedrequest.shapes import service


async def get_all(request: Fields, calls: Calls) -> dict[str, Any]:
    """getServices."""
    del request
    known = await every(calls.workloads.ListWorkloads, workload_pb2.ListWorkloadsRequest(), "workloads")
    deployed = defaultdict(list)
    asked = deployment_pb2.ListDeploymentsRequest()
    for deployment in await every(calls.deployments.ListDeployments, asked, "deployments"):
        deployed[deployment.workload_id].append(deployment.id)
    return {"services": [service.service(item, deployed[item.id]) for item in known]}


async def get(request: Fields, calls: Calls) -> dict[str, Any]:
    """getServiceById."""
    return {"service": await _record(await _known(request, calls), calls)}


async def get_registry_target(request: Fields, calls: Calls) -> dict[str, Any]:
    """getServiceRegistryTarget."""
    return {"registryTarget": service.registry_target(await _known(request, calls), request.text("tag"))}


async def create(request: Fields, calls: Calls) -> dict[str, Any]:
    """createService."""
    wish = service.from_data(request.record("serviceData"))
    wish.cluster_id = wish.cluster_id or await only_cluster_id(calls)
    answer = await calls.workloads.CreateWorkload(workload_pb2.CreateWorkloadRequest(workload=wish))
    return {"service": service.service(answer.workload, ())}


async def update(request: Fields, calls: Calls) -> dict[str, Any]:
    """updateService; only what differs from the present record is a wish."""
    data = request.record("serviceData")
    wish, known = service.from_data(data), await _known(request, calls)
    changed = service.changes(data, known)
    if changed:
        wish.id = known.id
        if "labels" in changed:
            wish.labels.update({key: known.labels[key] for key in known.labels if key not in wish.labels})
        asked = workload_pb2.UpdateWorkloadRequest(workload=wish, update_mask=FieldMask(paths=changed))
        known = (await calls.workloads.UpdateWorkload(asked)).workload
    return {"service": await _record(known, calls)}


async def delete(request: Fields, calls: Calls) -> dict[str, Any]:
    """deleteServiceById."""
    asked = workload_pb2.DeleteWorkloadRequest(workload_id=request.required("serviceId"))
    await calls.workloads.DeleteWorkload(asked)
    return dict(DELETED)


async def _known(request: Fields, calls: Calls) -> workload_pb2.Workload:
    asked = workload_pb2.GetWorkloadRequest(workload_id=request.required("serviceId"))
    return (await calls.workloads.GetWorkload(asked)).workload


async def _record(known: workload_pb2.Workload, calls: Calls) -> dict[str, Any]:
    asked = deployment_pb2.ListDeploymentsRequest(workload_id=known.id)
    deployments = await every(calls.deployments.ListDeployments, asked, "deployments")
    return service.service(known, [deployment.id for deployment in deployments])
