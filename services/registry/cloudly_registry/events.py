"""What the registry publishes: that a tag was moved, that something was deleted, that an
image was signed or described (decision 6). It listens to nobody else.
"""

from cloudly.registry.v1 import deletion_pb2, push_pb2, referrer_pb2
from cloudly_kit.resources import timestamp
from cloudly_kit.store import now

from cloudly_registry.documents import ImageDocument, ManifestRow, Version

IMAGE_PUSHED = "image.pushed"
CONTENT_DELETED = "content.deleted"
REFERRER_PUSHED = "referrer.pushed"
PUBLISHES = {IMAGE_PUSHED: ("clusters", "webhooks"), CONTENT_DELETED: ("webhooks",), REFERRER_PUSHED: ("clusters",)}
"""Topics, and the readers that have to get them: services, and webhooks/recording.py."""


def image_pushed(image: ImageDocument, version: Version, previous_digest: str) -> push_pb2.ImagePushed:
    """The message of a push."""
    return push_pb2.ImagePushed(
        image_id=image.id,
        repository=image.repository,
        tag=version.tag,
        digest=version.digest,
        media_type=version.media_type,
        pushed_by=version.pushed_by,
        push_time=timestamp(version.push_time),
        previous_digest=previous_digest,
    )


def content_deleted(
    image: ImageDocument, reason: str, by: str, *, tag: str = "", digest: str = ""
) -> deletion_pb2.ContentDeleted:
    """The message of a deletion: of a tag, of a manifest, or of the image where neither is named."""
    return deletion_pb2.ContentDeleted(
        image_id=image.id,
        repository=image.repository,
        tag=tag,
        digest=digest,
        reason=reason,
        deleted_by=by,
        delete_time=timestamp(now()),
    )


def referrer_pushed(image: ImageDocument, row: ManifestRow) -> referrer_pb2.ReferrerPushed:
    """The message of a manifest that names another as its subject."""
    return referrer_pb2.ReferrerPushed(
        image_id=image.id,
        repository=image.repository,
        subject=row.subject,
        digest=row.digest,
        artifact_type=row.artifact_type,
    )
