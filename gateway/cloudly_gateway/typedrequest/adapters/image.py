"""Images."""

from typing import Any

from cloudly.registry.v1 import image_pb2

from cloudly_gateway.typedrequest.calls import Calls, every
from cloudly_gateway.typedrequest.fields import Fields
from cloudly_gateway.typedrequest.shapes import image


async def get_all(request: Fields, calls: Calls) -> dict[str, Any]:
    """getAllImages."""
    del request
    known = await every(calls.images.ListImages, image_pb2.ListImagesRequest(), "images")
    return {"images": [image.image(item) for item in known]}


async def get(request: Fields, calls: Calls) -> dict[str, Any]:
    """getImage."""
    answer = await calls.images.GetImage(image_pb2.GetImageRequest(image_id=request.required("imageId")))
    return {"image": image.image(answer.image)}


async def create(request: Fields, calls: Calls) -> dict[str, Any]:
    """createImage."""
    answer = await calls.images.CreateImage(image_pb2.CreateImageRequest(image=image.from_request(request)))
    return {"image": image.image(answer.image)}


async def delete(request: Fields, calls: Calls) -> dict[str, Any]:
    """deleteImage."""
    await calls.images.DeleteImage(image_pb2.DeleteImageRequest(image_id=request.required("imageId")))
    return {}
