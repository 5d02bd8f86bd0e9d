"""IService: a workload. What only legacy clients know is kept in labels and comes back as it was sent."""

from collections.abc import Iterable, Mapping
from typing import Any

from cloudly.clusters.v1 import workload_pb2
from cloudly_kit.errors import InvalidArgument

from cloudly_gateway.typedrequest.fields import Fields

CATEGORIES = {
    "base": workload_pb2.WORKLOAD_CATEGORY_BASE,
    "distributed": workload_pb2.WORKLOAD_CATEGORY_DISTRIBUTED,
    "workload": workload_pb2.WORKLOAD_CATEGORY_WORKLOAD,
}
STRATEGIES = {
    "all-nodes": workload_pb2.WORKLOAD_MODE_GLOBAL,
    "limited-replicas": workload_pb2.WORKLOAD_MODE_REPLICATED,
    "custom": workload_pb2.WORKLOAD_MODE_REPLICATED,
}
_CATEGORY_WORDS = {number: word for word, number in CATEGORIES.items()}
_MEGABYTE = 1024 * 1024
_LABEL = "legacy."
_KEPT = ("imageId", "deploymentStrategy", "balancingStrategy")
"""Texts that say nothing about what runs here; they are kept and given back."""
_PROTOCOLS = ("", "http", "https")


def service(known: workload_pb2.Workload, deployment_ids: Iterable[str]) -> dict[str, Any]:
    """A workload as a service."""
    kept = {name: known.labels.get(_LABEL + name, "") for name in _KEPT}
    is_global = known.mode == workload_pb2.WORKLOAD_MODE_GLOBAL
    replicas = known.replicas if known.HasField("replicas") else 1
    target, tag = known.registry_target, known.image_tag or known.tag or "latest"
    data: dict[str, Any] = {
        "name": known.name,
        "description": known.description,
        "imageId": kept["imageId"],
        "imageVersion": tag,
        "environment": dict(known.environment),
        "secretBundleId": "",
        "serviceCategory": _CATEGORY_WORDS.get(known.category, "workload"),
        "deploymentStrategy": "all-nodes" if is_global else kept["deploymentStrategy"] or "limited-replicas",
        "antiAffinity": known.labels.get(_LABEL + "antiAffinity") == "true",
        "scaleFactor": replicas,
        "balancingStrategy": kept["balancingStrategy"] or "round-robin",
        "ports": {"web": known.web_port},
        "resources": _resources(known.resources),
        "domains": [_domain(item) for item in known.domains],
        "deploymentIds": list(deployment_ids),
        "clusterId": known.cluster_id,
        "deployOnPush": known.deploy_on_push if known.HasField("deploy_on_push") else True,
    }
    if not is_global:
        data["maxReplicas"] = replicas
    if target:
        data["registryTarget"] = registry_target(known, tag)
    return {"id": known.id, "data": data}


def registry_target(known: workload_pb2.Workload, tag: str) -> dict[str, str]:
    """IRegistryTarget: where to push an image of a workload."""
    host, _, repository = known.registry_target.partition("/")
    tag = tag or known.tag or "latest"
    return {"host": host, "repository": repository, "tag": tag, "imageUrl": f"{known.registry_target}:{tag}"}


def from_data(data: Fields) -> workload_pb2.Workload:
    """The wish in a (partial) `IService['data']`.

    Raises:
        InvalidArgument: it asks for something that Cloudly does not do; leaving that out silently would be worse.
    """
    _refuse_unsupported(data)
    wish = workload_pb2.Workload(
        name=data.text("name"),
        cluster_id=data.text("clusterId"),
        description=data.text("description"),
        tag=data.text("imageVersion"),
        mode=workload_pb2.WorkloadMode.ValueType(data.choice("deploymentStrategy", STRATEGIES)),
        category=workload_pb2.WorkloadCategory.ValueType(data.choice("serviceCategory", CATEGORIES)),
        web_port=data.record("ports").count("web"),
        environment=data.texts("environment"),
        domains=[_read_domain(item) for item in data.records("domains")],
    )
    for domain, port in data.record("ports").texts("custom").items():
        wish.domains.append(workload_pb2.WorkloadDomain(name=domain, port=_port(data, domain, port)))
    if "scaleFactor" in data or "maxReplicas" in data:
        wish.replicas = data.count("scaleFactor") if "scaleFactor" in data else data.count("maxReplicas")
    if "deployOnPush" in data:
        wish.deploy_on_push = data.flag("deployOnPush")
    if "resources" in data:
        wish.resources.CopyFrom(_read_resources(data.record("resources")))
    kept = {name: data.text(name) for name in _KEPT}
    wish.labels.update({_LABEL + name: value for name, value in kept.items() if value})
    if data.flag("antiAffinity"):
        wish.labels[_LABEL + "antiAffinity"] = "true"
    return wish


def changes(data: Fields, known: workload_pb2.Workload) -> list[str]:
    """The workload's fields that a (partial) `IService['data']` wants otherwise than they are.

    Clients send back the whole record that they read. What is in it unchanged must not become a wish: the version that
    runs, for one, would turn into the tag to follow from now on.
    """
    now = service(known, ())["data"]
    fields = {field for name, field in _FIELDS.items() if data.differs(name, now.get(name))}
    if "custom" in data.record("ports"):
        fields.add("domains")
    return sorted(fields)


_FIELDS: Mapping[str, str] = {
    "name": "name",
    "description": "description",
    "imageVersion": "tag",
    "deploymentStrategy": "mode",
    "serviceCategory": "category",
    "ports": "web_port",
    "environment": "environment",
    "domains": "domains",
    "scaleFactor": "replicas",
    "imageId": "labels",
    "balancingStrategy": "labels",
    "antiAffinity": "labels",
    "deployOnPush": "deploy_on_push",
    "resources": "resources",
}


def _refuse_unsupported(data: Fields) -> None:
    bundles = "secret bundles cannot be used by services yet; put the values into environment"
    wrong = []
    if data.text("secretBundleId"):
        wrong.append((data.path("secretBundleId"), bundles))
    if not data.is_empty("additionalSecretBundleIds"):
        wrong.append((data.path("additionalSecretBundleIds"), bundles))
    if not data.record("resources").is_empty("volumeMounts"):
        wrong.append((data.path("resources.volumeMounts"), "volumes cannot be mounted yet"))
    if wrong:
        raise InvalidArgument.of(*wrong)


def _domain(known: workload_pb2.WorkloadDomain) -> dict[str, Any]:
    domain: dict[str, Any] = {"name": known.name, "protocol": known.protocol or "http"}
    if known.port:
        domain["port"] = known.port
    return domain


def _read_domain(domain: Fields) -> workload_pb2.WorkloadDomain:
    protocol = domain.text("protocol")
    if protocol not in _PROTOCOLS:
        raise InvalidArgument.of((domain.path("protocol"), f"{protocol} is not routed; http and https are"))
    return workload_pb2.WorkloadDomain(name=domain.text("name"), port=domain.count("port"), protocol=protocol)


def _port(data: Fields, domain: str, text: str) -> int:
    if not text.isdecimal() or not 0 < int(text[:6]) <= 65535:
        raise InvalidArgument.of((data.path(f'ports.custom["{domain}"]'), "must be a port"))
    return int(text)


def _resources(known: workload_pb2.Resources) -> dict[str, Any]:
    return {
        "cpuLimit": known.cpu_limit,
        "cpuReservation": known.cpu_reservation,
        "memorySizeLimitMB": known.memory_limit_bytes // _MEGABYTE,
        "memorySizeReservationMB": known.memory_reservation_bytes // _MEGABYTE,
    }


def _read_resources(resources: Fields) -> workload_pb2.Resources:
    return workload_pb2.Resources(
        cpu_limit=resources.number("cpuLimit"),
        cpu_reservation=resources.number("cpuReservation"),
        memory_limit_bytes=min(resources.count("memorySizeLimitMB") * _MEGABYTE, 2**62),
        memory_reservation_bytes=min(resources.count("memorySizeReservationMB") * _MEGABYTE, 2**62),
    )
