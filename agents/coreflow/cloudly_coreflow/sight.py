"""What Docker tells, in the words of the contract: pure translation of services, tasks and nodes."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cloudly.clusters.v1 import deployment_pb2
from cloudly.coreflow.v1 import coreflow_pb2

from cloudly_coreflow import specs
from cloudly_coreflow.plan import Attempt, Rolling, Sight, was_rolled_back

Json = Mapping[str, Any]
FINISHED_KEPT_PER_SLOT = 3
CRASH_MEMORY_SECONDS = 60.0
"""A container that follows a failed one within this…"""
CRASH_SETTLE_SECONDS = 8.0
"""…counts as ready only after it has run this long: else one that crashes at its start would be green every few seconds."""

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
    (r"unauthorized|(?<!permission )denied|authentication required|forbidden", "PULL_DENIED"),
    (r"port is already allocated|address already in use|host-mode port", "PORT_TAKEN"),
    (r"no suitable node|insufficient resources", "NO_SUITABLE_NODE"),
    (r"unhealthy", "UNHEALTHY"),
    (r"executable file not found|no such file or directory|exec format error|permission denied", "CANNOT_START"),
)
"""The first that matches Swarm's message names it; the rest is TASK_FAILED."""


def reason_of(error: str) -> str:
    """The stable reason behind a message of Swarm."""
    return next((reason for pattern, reason in REASONS if re.search(pattern, error, re.IGNORECASE)), "TASK_FAILED")


def sight_of(service: Json, tasks: Sequence[Json] = ()) -> Sight:
    """One of our services."""
    spec = service["Spec"]
    labels = spec["Labels"]
    replicas = None if "Global" in spec["Mode"] else int(spec["Mode"]["Replicated"].get("Replicas", 0))
    live = [task for task in tasks if _is_wanted(task)]
    update = service.get("UpdateStatus") or {}
    return Sight(
        key=labels[specs.WORKLOAD],
        id=service["ID"],
        name=spec["Name"],
        generation=int(labels.get(specs.GENERATION, 0)),
        spec_hash=labels.get(specs.SPEC_HASH, ""),
        template_hash=labels.get(specs.TEMPLATE_HASH, ""),
        template_generation=int(labels.get(specs.TEMPLATE_GENERATION, 0)),
        credentials=labels.get(specs.CREDENTIALS, ""),
        image=spec.get("TaskTemplate", {}).get("ContainerSpec", {}).get("Image", ""),
        replicas=replicas,
        publishes=bool(spec.get("EndpointSpec", {}).get("Ports")),
        serves=replicas == 0 or any(task["Status"]["State"] == "running" for task in live),
        rolling=Rolling(update.get("State", ""), update.get("StartedAt", ""), update.get("Message", "")),
    )


@dataclass(frozen=True)
class Failure:
    """Why a rollout failed."""

    reason: str
    message: str
    image: str


def failure_of(template_hash: str, tasks: Sequence[Json]) -> Failure | None:
    """What the newest failed task of this template says; None where none has failed."""
    failed = [
        task
        for task in tasks
        if _template(task) == template_hash
        and _STATES.get(task["Status"]["State"]) == deployment_pb2.DEPLOYMENT_STATE_FAILED
    ]
    if not failed:
        return None
    newest = max(failed, key=lambda task: str(task["CreatedAt"]))
    error = _error(newest)
    return Failure(reason_of(error), error, newest["Spec"].get("ContainerSpec", {}).get("Image", ""))


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
    service: Json,
    tasks: Sequence[Json],
    ready_nodes: int,
    tails: Mapping[str, Sequence[str]],
    attempt: Attempt | None = None,
    now: float = 0.0,
) -> coreflow_pb2.WorkloadObservation:
    """What is seen of a workload.

    Args:
        service: the Swarm service.
        tasks: its tasks.
        ready_nodes: how many nodes can run something.
        tails: the last log lines of failed tasks, by task.
        attempt: the last rollout that was handed to Swarm.
        now: Unix seconds.
    """
    sight = sight_of(service, tasks)
    wished = ready_nodes if sight.replicas is None else sight.replicas
    given_up = attempt if was_rolled_back(sight, attempt) else None
    ready = {_slot(task) for task in tasks if _is_ready(task, tasks, now)}
    shown = [deployment(task, sight, tails) for task in recent(tasks)]
    return coreflow_pb2.WorkloadObservation(
        workload_id=sight.key,
        # What was tried last, also where Swarm has taken it back: the error says so.
        generation=given_up.generation if given_up else sight.generation,
        wished_replicas=wished,
        ready_replicas=min(len(ready), wished),
        updating=not given_up and sight.rolling.state != "paused" and _is_rolling(sight, tasks),
        update_error=_update_error(sight, given_up),
        deployments=sorted(shown, key=lambda d: (d.slot, d.task_id)),
    )


def _is_rolling(sight: Sight, tasks: Sequence[Json]) -> bool:
    # Swarm takes a moment to begin a rollout after it was told: until then the old containers tell it.
    return sight.rolling.state == "updating" or any(
        _is_wanted(task) and _template(task) != sight.template_hash for task in tasks
    )


def _update_error(sight: Sight, given_up: Attempt | None) -> str:
    if given_up is not None:
        return ": ".join(part for part in (sight.rolling.message, given_up.message) if part) or "rolled back"
    return (sight.rolling.message or "the update was paused") if sight.rolling.state == "paused" else ""


def _is_ready(task: Json, tasks: Sequence[Json], now: float) -> bool:
    if task["Status"]["State"] != "running" or task.get("DesiredState") != "running":
        return False
    since = _time(task["Status"].get("Timestamp", task["CreatedAt"])).timestamp()
    crashed = (
        other
        for other in tasks
        if _slot(other) == _slot(task)
        and _template(other) == _template(task)
        and other["Status"]["State"] == "failed"
        and since - _time(other["Status"].get("Timestamp", other["CreatedAt"])).timestamp() < CRASH_MEMORY_SECONDS
    )
    return now - since >= CRASH_SETTLE_SECONDS or not any(crashed)


def _is_wanted(task: Json) -> bool:
    return task.get("DesiredState") in ("running", "ready")


def _template(task: Json) -> str:
    return str(task["Spec"].get("ContainerSpec", {}).get("Labels", {}).get(specs.TEMPLATE_HASH, ""))


def _error(task: Json) -> str:
    status = task["Status"]
    failed = _STATES.get(status["State"]) == deployment_pb2.DEPLOYMENT_STATE_FAILED
    code = status.get("ContainerStatus", {}).get("ExitCode", 0)
    return status.get("Err") or (f"the container ended with status {code}" if failed else "")


def deployment(task: Json, sight: Sight, tails: Mapping[str, Sequence[str]]) -> coreflow_pb2.DeploymentObservation:
    """A task."""
    status = task["Status"]
    container = task["Spec"].get("ContainerSpec", {})
    labels = container.get("Labels", {})
    current = _template(task) == sight.template_hash
    generation = sight.generation if current else int(labels.get(specs.TEMPLATE_GENERATION, 0))
    state = _STATES.get(status["State"], deployment_pb2.DEPLOYMENT_STATE_UNSPECIFIED)
    stopping = state == deployment_pb2.DEPLOYMENT_STATE_RUNNING and task.get("DesiredState") in ("shutdown", "remove")
    error = _error(task)
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


def recent(tasks: Sequence[Json]) -> list[Json]:
    """The tasks without those that ended long ago: of each slot the last few."""
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
