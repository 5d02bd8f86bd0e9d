"""Deployments."""

from typing import Any

from cloudly.clusters.v1 import deployment_pb2

from cloudly_gateway.typedrequest.calls import Calls, every
from cloudly_gateway.typedrequest.fields import Fields
from cloudly_gateway.typedrequest.shapes import deployment


async def get(request: Fields, calls: Calls) -> dict[str, Any]:
    """getDeploymentById."""
    asked = deployment_pb2.GetDeploymentRequest(deployment_id=request.required("deploymentId"))
    answer = await calls.deployments.GetDeployment(asked)
    return {"deployment": deployment.deployment(answer.deployment)}


async def get_all(request: Fields, calls: Calls) -> dict[str, Any]:
    """getDeployments."""
    del request
    return await _records(deployment_pb2.ListDeploymentsRequest(), calls)


async def get_by_service(request: Fields, calls: Calls) -> dict[str, Any]:
    """getDeploymentsByService."""
    return await _records(deployment_pb2.ListDeploymentsRequest(workload_id=request.required("serviceId")), calls)


async def get_by_node(request: Fields, calls: Calls) -> dict[str, Any]:
    """getDeploymentsByNode."""
    return await _records(deployment_pb2.ListDeploymentsRequest(node_id=request.required("nodeId")), calls)


async def _records(asked: deployment_pb2.ListDeploymentsRequest, calls: Calls) -> dict[str, Any]:
    known = await every(calls.deployments.ListDeployments, asked, "deployments")
    return {"deployments": [deployment.deployment(item) for item in known]}
