"""ICluster and IClusterNode."""

from collections.abc import Iterable
from typing import Any

from cloudly.clusters.v1 import cluster_pb2, node_pb2

from cloudly_gateway.typedrequest.fields import Fields
from cloudly_gateway.typedrequest.shapes.times import milliseconds

SETUP_MODES = {
    "manual": cluster_pb2.SETUP_MODE_MANUAL,
    "hetzner": cluster_pb2.SETUP_MODE_HETZNER,
    "aws": cluster_pb2.SETUP_MODE_AWS,
    "digitalocean": cluster_pb2.SETUP_MODE_DIGITALOCEAN,
}
_SETUP_WORDS = {number: word for word, number in SETUP_MODES.items()}
_NODE_STATES = {"ready": "online", "down": "offline", "drain": "maintenance"}


def cluster(known: cluster_pb2.Cluster, nodes: Iterable[node_pb2.Node], origin: str) -> dict[str, Any]:
    """A cluster with its nodes."""
    return {
        "id": known.id,
        "data": {
            "name": known.name,
            "userId": known.identity_id,
            "cloudlyUrl": origin,
            "setupMode": _SETUP_WORDS.get(known.setup_mode, "manual"),
            "nodes": [node(item) for item in nodes if item.cluster_id == known.id],
            "acmeInfo": {"serverAddress": "", "serverSecret": ""},
            "sshKeys": [],
        },
    }


def from_data(data: Fields) -> cluster_pb2.Cluster:
    """What a legacy client can wish of a cluster."""
    return cluster_pb2.Cluster(
        name=data.text("name"),
        identity_id=data.text("userId"),
        setup_mode=cluster_pb2.SetupMode.ValueType(data.choice("setupMode", SETUP_MODES)),
    )


def node(known: node_pb2.Node) -> dict[str, Any]:
    """A node as Swarm knows it; whether it is a machine of iron or not, nobody told."""
    return {
        "id": known.id,
        "data": {
            "clusterId": known.cluster_id,
            "nodeType": "vm",
            "status": _NODE_STATES.get(known.state, "initializing"),
            "role": "master" if known.role == "manager" else "worker",
            "joinedAt": milliseconds(known.create_time),
            "lastHealthCheck": milliseconds(known.update_time),
            "swarmNodeId": known.id,
            "sshKeys": [],
            "requiredDebianPackages": [],
        },
    }
