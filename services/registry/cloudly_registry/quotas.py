"""Quotas: how many bytes a repository may hold."""

from cloudly_registry.errors import Denied
from cloudly_registry.store import ImageDocument


def check_quota(image: ImageDocument, further: int = 0) -> None:
    """Refuse what would take a repository beyond its quota.

    What counts is what its manifests refer to, shared blobs once. A blob that is pushed and that no manifest names yet
    is held against the quota alone, and goes again when none does within the grace.

    Args:
        image: The repository, as it would be.
        further: Bytes that are about to come.

    Raises:
        Denied: with the numbers.
    """
    wanted = image.size_bytes + further
    if image.quota_bytes and wanted > image.quota_bytes:
        raise Denied(
            f"the repository's quota is {image.quota_bytes} bytes; with this push it would hold {wanted}: "
            "delete versions, or have the quota raised",
            {"quotaBytes": image.quota_bytes, "usedBytes": image.size_bytes, "wantedBytes": wanted},
        )
