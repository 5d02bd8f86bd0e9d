"""Quotas: how many bytes a repository may hold."""

from cloudly_registry.documents import ImageDocument
from cloudly_registry.errors import Denied


def check_quota(image: ImageDocument) -> None:
    """Refuse what would take a repository, given as it would be then, beyond its quota.

    What counts is what its manifests refer to, shared blobs once. A blob that no manifest names yet does not count; it
    goes again when none does within the grace.

    Raises:
        Denied: with the numbers.
    """
    if image.quota_bytes and image.size_bytes > image.quota_bytes:
        raise Denied(
            f"the repository's quota is {image.quota_bytes} bytes; with this push it would hold {image.size_bytes}: "
            "delete versions, or have the quota raised",
            {"quotaBytes": image.quota_bytes, "wantedBytes": image.size_bytes},
        )
