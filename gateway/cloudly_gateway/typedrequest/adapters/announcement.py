"""New versions of images that other systems tell of."""

from typing import Any

from cloudly.clusters.v1 import announcement_pb2
from cloudly_kit.errors import InvalidArgument

from cloudly_gateway.typedrequest.calls import Calls
from cloudly_gateway.typedrequest.fields import Fields
from cloudly_gateway.typedrequest.shapes import announcement


async def inform(request: Fields, calls: Calls) -> dict[str, Any]:
    """servezonestandard_InformAboutNewContainerVersion."""
    if "containerImageInfo" not in request:
        raise InvalidArgument.of(("containerImageInfo", "is required"))
    return await _announce(announcement.from_container(request.record("containerImageInfo")), calls)


async def inform_cloudly(request: Fields, calls: Calls) -> dict[str, Any]:
    """informCloudlyAboutNewContainerVersion."""
    return await _announce(announcement.from_version_data(request), calls)


async def _announce(image: str, calls: Calls) -> dict[str, Any]:
    await calls.announcements.AnnounceImage(announcement_pb2.AnnounceImageRequest(image=image))
    return {}
