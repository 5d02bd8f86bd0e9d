"""Workloads as Docker sees them: ServiceSpec (Docker Engine API v1.41), made deterministically."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from cloudly.clusters.v1 import workload_pb2
from cloudly.coreflow.v1 import coreflow_pb2

from cloudly_coreflow.plan import Wish

SECOND = 1_000_000_000
"""Docker counts in nanoseconds."""
NETWORK = "dev-cloudly"
ID_PREFIX = 8

LABEL = "dev.cloudly."
CLUSTER = LABEL + "cluster"
WORKLOAD = LABEL + "workload"
GENERATION = LABEL + "generation"
SPEC_HASH = LABEL + "spec-hash"
TEMPLATE_HASH = LABEL + "template-hash"
TEMPLATE_GENERATION = LABEL + "template-generation"
CREDENTIALS = LABEL + "credentials"

RESTART_DELAY_SECONDS = 2
MONITOR_SECONDS = 5


def wish_of(entry: coreflow_pb2.WorkloadConfiguration, credentials: str = "") -> Wish:
    """A workload of the configuration as a wish; `credentials` names those its image is pulled with."""
    workload = entry.workload
    name = service_name(workload)
    if not entry.image:
        return Wish(workload.id, name, workload.generation, None)
    return make_wish(workload.id, name, workload.generation, _spec(workload, entry.image), credentials)


def make_wish(key: str, name: str, generation: int, spec: Mapping[str, Any], credentials: str = "") -> Wish:
    """A wish with the hashes by which a change is recognised."""
    # Swarm makes new containers when the template or the published ports change, and then alone.
    template = digest([spec["TaskTemplate"], spec.get("EndpointSpec")])
    return Wish(key, name, generation, spec, digest(spec), template, credentials)


def credentials_version(credentials: coreflow_pb2.RegistryCredentials | None) -> str:
    """A name for credentials that changes with them and tells nothing."""
    return digest([credentials.server, credentials.username, credentials.password]) if credentials is not None else ""


def service_name(workload: workload_pb2.Workload) -> str:
    """The name of the Swarm service; also what coretraffic resolves."""
    return f"{workload.name}-{workload.id[:ID_PREFIX]}"


def digest(value: Any) -> str:
    """A short hash of plain data."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def labelled(wish: Wish, cluster_id: str, template_generation: int) -> dict[str, Any]:
    """The whole ServiceSpec, with our bookkeeping in its labels."""
    assert wish.spec is not None
    body = json.loads(json.dumps(wish.spec))
    body["Labels"] = {
        CLUSTER: cluster_id,
        WORKLOAD: wish.key,
        GENERATION: str(wish.generation),
        SPEC_HASH: wish.spec_hash,
        TEMPLATE_HASH: wish.template_hash,
        TEMPLATE_GENERATION: str(template_generation),
        CREDENTIALS: wish.credentials,
    }
    # These stand in the containers too, so they change only when the containers do.
    body["TaskTemplate"]["ContainerSpec"]["Labels"] = {
        WORKLOAD: wish.key,
        TEMPLATE_HASH: wish.template_hash,
        TEMPLATE_GENERATION: str(template_generation),
    }
    return dict(body)


def _spec(workload: workload_pb2.Workload, image: str) -> dict[str, Any]:
    container: dict[str, Any] = {
        "Image": image,
        "Env": [f"{name}={value}" for name, value in sorted(workload.environment.items())],
    }
    if workload.command:
        container["Command"] = list(workload.command)
    if workload.arguments:
        container["Args"] = list(workload.arguments)
    if workload.HasField("health_check"):
        container["Healthcheck"] = _health_check(workload.health_check)
    global_ = workload.mode == workload_pb2.WORKLOAD_MODE_GLOBAL
    replicas = workload.replicas if workload.HasField("replicas") else 1
    return {
        "TaskTemplate": {
            "ContainerSpec": container,
            "Resources": _resources(workload.resources),
            "RestartPolicy": {"Condition": "any", "Delay": RESTART_DELAY_SECONDS * SECOND},
            "Networks": [{"Target": NETWORK}],
        },
        "Mode": {"Global": {}} if global_ else {"Replicated": {"Replicas": replicas}},
        "UpdateConfig": _update(workload.update_strategy, bool(workload.published_ports), "rollback"),
        "RollbackConfig": _update(workload.update_strategy, bool(workload.published_ports), "pause"),
        # Names resolve to the containers themselves (tasks.<service>): no virtual address, which needs IPVS.
        "EndpointSpec": {"Mode": "dnsrr", "Ports": [_port(port) for port in workload.published_ports]},
    }


def _health_check(check: workload_pb2.HealthCheck) -> dict[str, Any]:
    return {
        "Test": ["CMD", *check.command],
        "Interval": (check.interval_seconds or 10) * SECOND,
        "Timeout": (check.timeout_seconds or 5) * SECOND,
        "Retries": check.retries or 3,
        "StartPeriod": check.start_period_seconds * SECOND,
    }


def _resources(resources: workload_pb2.Resources) -> dict[str, Any]:
    def part(cores: float, memory: int) -> dict[str, int]:
        wanted = {"NanoCPUs": int(cores * 1e9), "MemoryBytes": memory}
        return {name: value for name, value in wanted.items() if value}

    return {
        "Limits": part(resources.cpu_limit, resources.memory_limit_bytes),
        "Reservations": part(resources.cpu_reservation, resources.memory_reservation_bytes),
    }


def _update(strategy: workload_pb2.UpdateStrategy, publishes: bool, on_failure: str) -> dict[str, Any]:
    stop_first = strategy.order == workload_pb2.UPDATE_ORDER_STOP_FIRST
    return {
        "Parallelism": strategy.parallelism or 1,
        "Delay": strategy.delay_seconds * SECOND,
        # A failed rollout goes back to what ran before; the reconciler remembers that, and does not wish it again at once.
        "FailureAction": on_failure,
        "Monitor": (strategy.monitor_seconds or MONITOR_SECONDS) * SECOND,
        "MaxFailureRatio": 0,
        # Two containers cannot hold one port of the host: then the old one has to go first, whatever is wished.
        "Order": "stop-first" if stop_first or publishes else "start-first",
    }


def _port(port: workload_pb2.PublishedPort) -> dict[str, Any]:
    return {
        "Protocol": port.protocol or "tcp",
        "TargetPort": port.container_port,
        "PublishedPort": port.host_port,
        "PublishMode": "host",
    }
