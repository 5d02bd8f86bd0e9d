"""Clusters."""

from typing import Any

from cloudly.clusters.v1 import cluster_pb2, node_pb2
from cloudly_kit.errors import FailedPrecondition, InvalidArgument, NotFound
from google.protobuf.field_mask_pb2 import FieldMask

from cloudly_gateway.typedrequest.calls import Calls, every
from cloudly_gateway.typedrequest.fields import Fields
from cloudly_gateway.typedrequest.shapes import cluster

DELETED = {"ok": True, "success": True}
"""Clients of different ages look at one or the other."""


async def get_all(request: Fields, calls: Calls) -> dict[str, Any]:
    """getClusters."""
    del request
    known = await every(calls.clusters.ListClusters, cluster_pb2.ListClustersRequest(), "clusters")
    nodes = await every(calls.nodes.ListNodes, node_pb2.ListNodesRequest(), "nodes")
    return {"clusters": [cluster.cluster(item, nodes, calls.origin) for item in known]}


async def get(request: Fields, calls: Calls) -> dict[str, Any]:
    """getClusterById."""
    answer = await calls.clusters.GetCluster(cluster_pb2.GetClusterRequest(cluster_id=request.required("clusterId")))
    return {"cluster": await _record(answer.cluster, calls)}


async def create(request: Fields, calls: Calls) -> dict[str, Any]:
    """createCluster; the jump code, which is told this once, stands beside the record."""
    mode = request.choice("setupMode", cluster.SETUP_MODES)
    wish = cluster_pb2.Cluster(name=request.text("clusterName"), setup_mode=cluster_pb2.SetupMode.ValueType(mode))
    answer = await calls.clusters.CreateCluster(cluster_pb2.CreateClusterRequest(cluster=wish))
    return {"cluster": cluster.cluster(answer.cluster, (), calls.origin), "jumpCode": answer.jump_code}


async def update(request: Fields, calls: Calls) -> dict[str, Any]:
    """updateCluster; which cluster is meant is told by clusterId, else by the machine user, else by the name."""
    wish = cluster.from_data(request.record("clusterData"))
    known = await _meant(request.text("clusterId"), wish, calls)
    if wish.name and wish.name != known.name:
        wished = cluster_pb2.Cluster(id=known.id, name=wish.name)
        asked = cluster_pb2.UpdateClusterRequest(cluster=wished, update_mask=FieldMask(paths=["name"]))
        known = (await calls.clusters.UpdateCluster(asked)).cluster
    record = await _record(known, calls)
    return {"resultCluster": record, "cluster": record}


async def delete(request: Fields, calls: Calls) -> dict[str, Any]:
    """deleteClusterById."""
    await calls.clusters.DeleteCluster(cluster_pb2.DeleteClusterRequest(cluster_id=request.required("clusterId")))
    return dict(DELETED)


async def only_cluster_id(calls: Calls) -> str:
    """The cluster that a legacy service belongs to: its record names none, so there can be only one.

    Raises:
        FailedPrecondition: there is none.
        InvalidArgument: there are several.
    """
    answer = await calls.clusters.ListClusters(cluster_pb2.ListClustersRequest(page_size=2))
    if not answer.clusters:
        raise FailedPrecondition("there is no cluster yet; create one first")
    if len(answer.clusters) > 1:
        raise InvalidArgument.of(("serviceData.clusterId", "is required, since there are several clusters"))
    return answer.clusters[0].id


async def _record(known: cluster_pb2.Cluster, calls: Calls) -> dict[str, Any]:
    nodes = await every(calls.nodes.ListNodes, node_pb2.ListNodesRequest(cluster_id=known.id), "nodes")
    return cluster.cluster(known, nodes, calls.origin)


async def _meant(cluster_id: str, wish: cluster_pb2.Cluster, calls: Calls) -> cluster_pb2.Cluster:
    if cluster_id:
        return (await calls.clusters.GetCluster(cluster_pb2.GetClusterRequest(cluster_id=cluster_id))).cluster
    known: list[cluster_pb2.Cluster] = await every(
        calls.clusters.ListClusters, cluster_pb2.ListClustersRequest(), "clusters"
    )
    for item in known:
        if wish.identity_id and item.identity_id == wish.identity_id:
            return item
    for item in known:
        if wish.name and item.name == wish.name:
            return item
    raise NotFound("cluster", wish.name or wish.identity_id)
