"""A cluster's configuration out of its workloads: deterministic, so that equal wishes have equal hashes."""

import hashlib
from collections.abc import Sequence

from cloudly.clusters.v1 import workload_pb2
from cloudly.coreflow.v1 import coreflow_pb2

from cloudly_clusters.store import ClusterDocument, WorkloadDocument
from cloudly_clusters.wishes import wish_of


def render(cluster: ClusterDocument, workloads: Sequence[WorkloadDocument]) -> coreflow_pb2.Configuration:
    """What should run on the cluster."""
    return coreflow_pb2.Configuration(
        cluster_id=cluster.id,
        cluster_name=cluster.name,
        workloads=[
            coreflow_pb2.WorkloadConfiguration(workload=_wish(workload), image=image_of(workload))
            for workload in sorted(workloads, key=lambda workload: workload.id)
        ],
    )


def image_of(workload: WorkloadDocument) -> str:
    """The reference to run: an image from elsewhere as written, one of ours pinned by digest; empty while awaited."""
    external: str = workload.wish.get("image", "")
    if external:
        return external
    return f"{workload.registry_target}@{workload.image_digest}" if workload.image_digest else ""


def config_hash(configuration: coreflow_pb2.Configuration) -> str:
    """SHA-256, hex, of the deterministic serialisation."""
    return hashlib.sha256(configuration.SerializeToString(deterministic=True)).hexdigest()


def _wish(document: WorkloadDocument) -> workload_pb2.Workload:
    wish = wish_of(document)
    wish.id = document.id
    wish.name = document.name
    wish.cluster_id = document.scope
    wish.generation = document.generation
    wish.image_digest = document.image_digest
    wish.image_tag = document.image_tag
    wish.registry_target = document.registry_target
    return wish
