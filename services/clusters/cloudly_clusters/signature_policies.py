"""What signatures a rollout has to have: by the cluster's keys and by the workload's, each demand met for itself."""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Protocol

from cloudly.clusters.v1 import cluster_pb2
from cloudly_kit.errors import InvalidArgument, NotFound
from google.protobuf import json_format

from cloudly_clusters.image_names import ImageName
from cloudly_clusters.store import ClusterDocument, WorkloadDocument
from cloudly_clusters.wishes import policy_of, wrong_keys


class Verifier(Protocol):
    """What is needed of the registry."""

    async def verify(self, image_id: str, digest: str, public_keys: Sequence[str]) -> str:
        """Why none of the keys has signed a digest; empty where one has. Raises NotFound where the digest is gone."""
        ...


def cluster_policy(cluster: ClusterDocument) -> cluster_pb2.ClusterSignaturePolicy:
    """What signatures the cluster demands of all its workloads."""
    return json_format.ParseDict(
        cluster.signature_policy, cluster_pb2.ClusterSignaturePolicy(), ignore_unknown_fields=True
    )


def check_cluster_policy(policy: cluster_pb2.ClusterSignaturePolicy) -> None:
    """Refuse a policy that cannot be kept. Raises InvalidArgument."""
    where = "cluster.signature_policy"
    found = wrong_keys(where, policy.public_keys, required=policy.required)
    for index, pattern in enumerate(policy.allowed_images):
        if not _fits_places(pattern):
            hint = "must be a pattern of server/repository without a tag, such as docker.io/library/*"
            found.append((f"{where}.allowed_images[{index}]", hint))
    if found:
        raise InvalidArgument.of(*found)


async def why_unsigned(verifier: Verifier, cluster: ClusterDocument, workload: WorkloadDocument, digest: str) -> str:
    """Why a pushed digest may not run there; empty where every demand is met."""
    demands = (("the cluster demands a signature: ", cluster_policy(cluster)), ("", policy_of(workload)))
    for lead, policy in demands:
        if not policy.required:
            continue
        try:
            reason = await verifier.verify(workload.image_id, digest, policy.public_keys)
        except NotFound:
            return "it is not in the registry any more"
        if reason:
            return lead + reason
    return ""


def why_not_from_elsewhere(cluster: ClusterDocument, image: str) -> str:
    """Why an image from elsewhere may not run on the cluster; empty where it may."""
    policy = cluster_policy(cluster)
    place = "/".join(ImageName.of(image).place)
    if not policy.required or any(fnmatchcase(place, pattern) for pattern in policy.allowed_images):
        return ""
    return (
        f"the cluster demands signatures, and those of {place} cannot be verified here: push the image to this registry, "
        "or have it added to the cluster's allowed images"
    )


def _fits_places(pattern: str) -> bool:
    """Whether the pattern can fit `server/repository`: with a scheme, a tag or a digest it never would."""
    place = "/" in pattern or "*" in pattern
    return place and ":" not in pattern.rpartition("/")[2] and not re.search(r"\s|@|://", pattern)
