"""The gRPC surface of clusters: parse, call the domain, answer."""

from cloudly_clusters.servicers.announcements import AnnouncementServicer
from cloudly_clusters.servicers.clusters import ClusterServicer
from cloudly_clusters.servicers.coreflow import CoreflowServicer
from cloudly_clusters.servicers.deployments import DeploymentServicer, NodeServicer
from cloudly_clusters.servicers.providers import ProviderServicer
from cloudly_clusters.servicers.workloads import WorkloadServicer

__all__ = [
    "AnnouncementServicer",
    "ClusterServicer",
    "CoreflowServicer",
    "DeploymentServicer",
    "NodeServicer",
    "ProviderServicer",
    "WorkloadServicer",
]
