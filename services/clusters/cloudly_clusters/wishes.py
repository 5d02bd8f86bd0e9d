"""The wish of a workload: the part of its record that people set, apart from what the server adds."""

from collections.abc import Sequence
from typing import Any

from cloudly.clusters.v1 import workload_pb2
from cloudly_kit.errors import InvalidArgument
from cloudly_kit.public_keys import parse
from google.protobuf import json_format

from cloudly_clusters.store import VersionDocument, WorkloadDocument

_OURS = (
    "id", "name", "labels", "create_time", "update_time", "etag", "delete_time", "cluster_id", "registry_target",
    "image_digest", "image_tag", "held_image", "generation", "status",
)  # fmt: skip
"""Fields that are kept beside the wish or made by the server."""


def wish_from(workload: workload_pb2.Workload) -> dict[str, Any]:
    """The wish as it is stored.

    Raises:
        InvalidArgument: the wish contradicts itself; every contradiction is listed.
    """
    _check(workload)
    wish = workload_pb2.Workload()
    wish.CopyFrom(workload)
    for name in _OURS:
        wish.ClearField(name)  # type: ignore[arg-type]
    return json_format.MessageToDict(wish, preserving_proto_field_name=True)


def wish_of(document: WorkloadDocument | VersionDocument) -> workload_pb2.Workload:
    """The stored wish as a message, labels included."""
    wish = json_format.ParseDict(document.wish, workload_pb2.Workload(), ignore_unknown_fields=True)
    wish.labels.update(document.labels)
    return wish


def wished_replicas(document: WorkloadDocument) -> int:
    """How many should run; for a global workload what the agent says that Swarm wants, one where it says nothing."""
    if document.wish.get("mode") == "WORKLOAD_MODE_GLOBAL":
        return int((document.observation or {}).get("wished_replicas", 1))
    return int(document.wish.get("replicas", 1))


def policy_of(document: WorkloadDocument) -> workload_pb2.SignaturePolicy:
    """What signatures the workload demands."""
    return wish_of(document).signature_policy


def _check_policy(workload: workload_pb2.Workload) -> list[tuple[str, str]]:
    policy, where = workload.signature_policy, "workload.signature_policy"
    found = wrong_keys(where, policy.public_keys, required=policy.required)
    if policy.required and workload.image:
        found.append((f"{where}.required", "only images that are pushed here can be verified: leave `image` empty"))
    return found


def wrong_keys(where: str, public_keys: Sequence[str], *, required: bool) -> list[tuple[str, str]]:
    """What is wrong with the keys of a policy, by the fields below `where`."""
    found = []
    if required and not public_keys:
        found.append((f"{where}.public_keys", "at least one key is needed where signatures are required"))
    for index, pem in enumerate(public_keys):
        try:
            parse(pem)
        except ValueError as error:
            found.append((f"{where}.public_keys[{index}]", str(error)))
    return found


def _check(workload: workload_pb2.Workload) -> None:
    found = _check_policy(workload)
    if workload.mode == workload_pb2.WORKLOAD_MODE_GLOBAL and workload.HasField("replicas"):
        found.append(("workload.replicas", "cannot be set together with mode GLOBAL, which runs one on every node"))
    resources = workload.resources
    if resources.cpu_limit and resources.cpu_reservation > resources.cpu_limit:
        found.append(("workload.resources.cpu_reservation", "must not exceed cpu_limit"))
    if resources.memory_limit_bytes and resources.memory_reservation_bytes > resources.memory_limit_bytes:
        found.append(("workload.resources.memory_reservation_bytes", "must not exceed memory_limit_bytes"))
    seen: set[str] = set()
    for index, domain in enumerate(workload.domains):
        where = f"workload.domains[{index}]"
        if not domain.port and not workload.web_port:
            found.append((f"{where}.port", "is needed where the workload has no web_port"))
        if domain.protocol not in ("", "http", "https"):
            found.append((f"{where}.protocol", 'must be "http" or "https"'))
        if domain.name.lower() in seen:
            found.append((f"{where}.name", "is there twice"))
        seen.add(domain.name.lower())
    ports: set[tuple[int, str]] = set()
    for index, port in enumerate(workload.published_ports):
        where = f"workload.published_ports[{index}]"
        if port.protocol not in ("", "tcp", "udp"):
            found.append((f"{where}.protocol", 'must be "tcp" or "udp"'))
        if (port.host_port, port.protocol or "tcp") in ports:
            found.append((f"{where}.host_port", "is published twice"))
        ports.add((port.host_port, port.protocol or "tcp"))
    if found:
        raise InvalidArgument.of(*found)
