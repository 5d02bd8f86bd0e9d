"""IImage."""

from typing import Any

from cloudly.registry.v1 import image_pb2

from cloudly_gateway.typedrequest.fields import Fields
from cloudly_gateway.typedrequest.shapes.times import milliseconds


def image(known: image_pb2.Image) -> dict[str, Any]:
    """An image with its versions; digests and the repository are told beside the legacy fields."""
    return {
        "id": known.id,
        "data": {
            "name": known.name,
            "location": {"internal": True, "externalRegistryId": "", "externalImageTag": ""},
            "description": known.description,
            "versions": [_version(version) for version in known.versions],
            "repository": known.repository,
        },
    }


def from_request(request: Fields) -> image_pb2.Image:
    """The wish in a createImage."""
    return image_pb2.Image(name=request.text("name"), description=request.text("description"))


def _version(known: image_pb2.ImageVersion) -> dict[str, Any]:
    return {
        "versionString": known.tag,
        "storagePath": known.digest,
        "size": known.size_bytes,
        "createdAt": milliseconds(known.push_time),
        "digest": known.digest,
    }
