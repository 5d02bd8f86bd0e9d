"""What the registry publishes: the fact that a tag was moved (decision 6). It listens to nobody."""

from cloudly.registry.v1 import push_pb2
from cloudly_kit.resources import timestamp

from cloudly_registry.documents import ImageDocument, Version

IMAGE_PUSHED = "image.pushed"
PUBLISHES = {IMAGE_PUSHED: ("clusters",)}
"""Topics, and the services that have to get them."""


def image_pushed(image: ImageDocument, version: Version) -> push_pb2.ImagePushed:
    """The message of a push."""
    return push_pb2.ImagePushed(
        image_id=image.id,
        repository=image.repository,
        tag=version.tag,
        digest=version.digest,
        media_type=version.media_type,
        pushed_by=version.pushed_by,
        push_time=timestamp(version.push_time),
    )
