"""IDeployment: flat, unlike the other records."""

from typing import Any

from cloudly.clusters.v1 import deployment_pb2

from cloudly_gateway.typedrequest.shapes.times import milliseconds

STATES = {
    deployment_pb2.DEPLOYMENT_STATE_SCHEDULED: "scheduled",
    deployment_pb2.DEPLOYMENT_STATE_STARTING: "starting",
    deployment_pb2.DEPLOYMENT_STATE_RUNNING: "running",
    deployment_pb2.DEPLOYMENT_STATE_STOPPING: "stopping",
    deployment_pb2.DEPLOYMENT_STATE_STOPPED: "stopped",
    deployment_pb2.DEPLOYMENT_STATE_FAILED: "failed",
}
_HEALTH = {deployment_pb2.HEALTH_HEALTHY: "healthy", deployment_pb2.HEALTH_UNHEALTHY: "unhealthy"}


def deployment(known: deployment_pb2.Deployment) -> dict[str, Any]:
    """One instance of a service on a node."""
    record: dict[str, Any] = {
        "id": known.id,
        "serviceId": known.workload_id,
        "nodeId": known.node_id,
        "usedImageId": known.image,
        "version": _version(known),
        "deployedAt": milliseconds(known.start_time if known.HasField("start_time") else known.create_time),
        "deploymentLog": [*([known.message] if known.message else []), *known.log_tail],
        "status": STATES.get(known.state, "scheduled"),
        "healthStatus": _HEALTH.get(known.health, "unknown"),
    }
    if known.container_id:
        record["containerId"] = known.container_id
    return record


def _version(known: deployment_pb2.Deployment) -> str:
    # The tag of `host:port/repository:tag@digest`; where there is none, the digest that runs.
    name = known.image.partition("@")[0].rpartition("/")[2]
    return name.partition(":")[2] or known.image_digest
