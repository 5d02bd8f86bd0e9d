"""What Docker tells, in the words of the contract: pure translation of services, tasks and nodes."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cloudly.clusters.v1 import deployment_pb2
from cloudly.coreflow.v1 import coreflow_pb2

from cloudly_coreflow import specs
from cloudly_coreflow.plan import Sight

Json = Mapping[str, Any]
FINISHED_KEPT_PER_SLOT = 3

_STATES = {
    "new": deployment_pb2.DEPLOYMENT_STATE_SCHEDULED,
    "pending": deployment_pb2.DEPLOYMENT_STATE_SCHEDULED,
    "allocated": deployment_pb2.DEPLOYMENT_STATE_SCHEDULED,
    "assigned": deployment_pb2.DEPLOYMENT_STATE_SCHEDULED,
    "accepted": deployment_pb2.DEPLOYMENT_STATE_STARTING,
    "preparing": deployment_pb2.DEPLOYMENT_STATE_STARTING,
    "ready": deployment_pb2.DEPLOYMENT_STATE_STARTING,
    "starting": deployment_pb2.DEPLOYMENT_STATE_STARTING,
    "running": deployment_pb2.DEPLOYMENT_STATE_RUNNING,
    "complete": deployment_pb2.DEPLOYMENT_STATE_STOPPED,
    "shutdown": deployment_pb2.DEPLOYMENT_STATE_STOPPED,
    "remove": deployment_pb2.DEPLOYMENT_STATE_STOPPED,
    "failed": deployment_pb2.DEPLOYMENT_STATE_FAILED,
    "rejected": deployment_pb2.DEPLOYMENT_STATE_FAILED,
    "orphaned": deployment_pb2.DEPLOYMENT_STATE_FAILED,
}
FINISHED = (deployment_pb2.DEPLOYMENT_STATE_STOPPED, deployment_pb2.DEPLOYMENT_STATE_FAILED)

REASONS: tuple[tuple[str, str], ...] = (
    (r"no such image|manifest unknown|not found: manifest|repository does not exist", "NO_SUCH_IMAGE"),
    (r"unauthorized|denied|authentication required|forbidden", "PULL_DENIED"),
    (r"no suitable node|insufficient resources", "NO_SUITABLE_NODE"),
    (r"port is already allocated|address already in use|host-mode port", "PORT_TAKEN"),
    (r"unhealthy", "UNHEALTHY"),
    (r"executable file not found|no such file or directory|exec format error", "CANNOT_START"),
)
"""The first that matches Swarm's message names it; the rest is TASK_FAILED."""


def reason_of(error: str) -> str:
    """The stable reason behind a message of Swarm."""
    return next((reason for pattern, reason in REASONS if re.search(pattern, error, re.IGNORECASE)), "TASK_FAILED")


def sight_of(service: Json) -> Sight:
    """One of our services."""
    labels = service["Spec"]["Labels"]
    return Sight(
        key=labels[specs.WORKLOAD],
        id=service["ID"],
        name=service["Spec"]["Name"],
        generation=int(labels.get(specs.GENERATION, 0)),
        spec_hash=labels.get(specs.SPEC_HASH, ""),
        template_hash=labels.get(specs.TEMPLATE_HASH, ""),
        template_generation=int(labels.get(specs.TEMPLATE_GENERATION, 0)),
        credentials=labels.get(specs.CREDENTIALS, ""),
    )


def node_status(node: Json) -> coreflow_pb2.NodeStatus:
    """A node of the Swarm."""
    description = node.get("Description", {})
    resources = description.get("Resources", {})
    availability = node["Spec"].get("Availability", "active")
    state = node.get("Status", {}).get("State", "unknown")
    return coreflow_pb2.NodeStatus(
        id=node["ID"],
        name=description.get("Hostname", node["ID"]),
        role=node["Spec"].get("Role", ""),
        state=state if availability == "active" else availability,
        address=node.get("Status", {}).get("Addr", ""),
        cpus=resources.get("NanoCPUs", 0) / 1e9,
        memory_bytes=resources.get("MemoryBytes", 0),
        engine_version=description.get("Engine", {}).get("EngineVersion", ""),
        architecture=description.get("Platform", {}).get("Architecture", ""),
    )


def observation(
    service: Json, tasks: Sequence[Json], ready_nodes: int, tails: Mapping[str, Sequence[str]]
) -> coreflow_pb2.WorkloadObservation:
    """What is seen of a workload. `tails` holds the last log lines of failed tasks, by task."""
    sight = sight_of(service)
    mode = service["Spec"]["Mode"]
    wished = ready_nodes if "Global" in mode else int(mode["Replicated"].get("Replicas", 0))
    update = service.get("UpdateStatus") or {}
    stuck = update.get("State") in ("paused", "rollback_started", "rollback_paused", "rollback_completed")
    shown = [deployment(task, sight, tails) for task in _recent(tasks)]
    running = {
        _slot(task) for task in tasks if task["Status"]["State"] == "running" and task.get("DesiredState") == "running"
    }
    return coreflow_pb2.WorkloadObservation(
        workload_id=sight.key,
        generation=sight.generation,
        wished_replicas=wished,
        ready_replicas=min(len(running), wished),
        updating=update.get("State") == "updating",
        update_error=update.get("Message", "the update was stopped") if stuck else "",
        deployments=sorted(shown, key=lambda d: (d.slot, d.task_id)),
    )


def deployment(task: Json, sight: Sight, tails: Mapping[str, Sequence[str]]) -> coreflow_pb2.DeploymentObservation:
    """A task."""
    status = task["Status"]
    container = task["Spec"].get("ContainerSpec", {})
    labels = container.get("Labels", {})
    current = labels.get(specs.TEMPLATE_HASH) == sight.template_hash
    generation = sight.generation if current else int(labels.get(specs.TEMPLATE_GENERATION, 0))
    state = _STATES.get(status["State"], deployment_pb2.DEPLOYMENT_STATE_UNSPECIFIED)
    stopping = state == deployment_pb2.DEPLOYMENT_STATE_RUNNING and task.get("DesiredState") in ("shutdown", "remove")
    error = status.get("Err", "")
    code = status.get("ContainerStatus", {}).get("ExitCode", 0)
    if state == deployment_pb2.DEPLOYMENT_STATE_FAILED and not error:
        error = f"the container ended with status {code}"
    checked = "Healthcheck" in container
    seen = coreflow_pb2.DeploymentObservation(
        task_id=task["ID"],
        slot=task.get("Slot", 0),
        node_id=task.get("NodeID", ""),
        container_id=status.get("ContainerStatus", {}).get("ContainerID", ""),
        image=container.get("Image", ""),
        image_digest=_digest(container.get("Image", "")),
        workload_generation=generation,
        state=deployment_pb2.DEPLOYMENT_STATE_STOPPING if stopping else state,
        health=_health(state, checked),
        reason=reason_of(error) if error else "",
        message=error,
        log_tail=tails.get(task["ID"], ()),
    )
    seen.start_time.FromDatetime(_time(task["CreatedAt"]))
    return seen


def _health(state: int, checked: bool) -> "deployment_pb2.Health.ValueType":
    # Swarm calls a task running only once its health check has passed, and failed when it no longer does.
    if state == deployment_pb2.DEPLOYMENT_STATE_RUNNING and checked:
        return deployment_pb2.HEALTH_HEALTHY
    return deployment_pb2.HEALTH_UNKNOWN


def _recent(tasks: Sequence[Json]) -> list[Json]:
    kept: list[Json] = []
    finished: dict[str, int] = {}
    for task in sorted(tasks, key=lambda task: str(task["CreatedAt"]), reverse=True):
        if _STATES.get(task["Status"]["State"]) in FINISHED:
            finished[_slot(task)] = finished.get(_slot(task), 0) + 1
            if finished[_slot(task)] > FINISHED_KEPT_PER_SLOT:
                continue
        kept.append(task)
    return kept


def _slot(task: Json) -> str:
    return str(task.get("Slot") or task.get("NodeID", ""))


def _digest(image: str) -> str:
    return image.partition("@")[2]


def _time(text: str) -> datetime:
    # Docker writes nanoseconds; Python reads microseconds.
    return datetime.fromisoformat(re.sub(r"(\.\d{1,6})\d*", r"\1", text))
