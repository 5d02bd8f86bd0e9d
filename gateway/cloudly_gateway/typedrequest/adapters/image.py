"""Images."""

from collections.abc import AsyncIterator
from typing import Any

from cloudly.auth.v1 import access_pb2
from cloudly.registry.v1 import image_archive_pb2, image_pb2
from cloudly_kit.errors import InvalidArgument, PermissionDenied

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


async def push(request: Fields, calls: Calls) -> dict[str, Any]:
    """pushImageVersion: what the client streams is the archive; `allowed` tells it to begin, as it waits for that."""
    image_id, tag = request.required("imageId"), request.required("versionString")
    stream = request.record("imageStream")
    if not stream.flag("_isVirtualStream"):
        raise InvalidArgument.of(("imageStream", "must be a VirtualStream"))
    asked = access_pb2.TestPermissionsRequest(permission="registry.push")
    if not (await calls.access.TestPermissions(asked)).results[0].allowed:
        raise PermissionDenied("registry.push")
    await calls.images.GetImage(image_pb2.GetImageRequest(image_id=image_id))

    async def store(pieces: AsyncIterator[bytes]) -> None:
        async def requests() -> AsyncIterator[image_archive_pb2.ImportImageArchiveRequest]:
            yield image_archive_pb2.ImportImageArchiveRequest(image_id=image_id, tag=tag)
            async for piece in pieces:
                yield image_archive_pb2.ImportImageArchiveRequest(data=piece)

        await calls.archives.ImportImageArchive(requests())

    await calls.streams.receive(stream.required("streamId"), store)
    return {"allowed": True}


async def pull(request: Fields, calls: Calls) -> dict[str, Any]:
    """pullImageVersion."""
    asked = image_archive_pb2.ExportImageArchiveRequest(
        image_id=request.required("imageId"), reference=request.required("versionString")
    )
    answers = aiter(calls.archives.ExportImageArchive(asked))
    # What is wrong with the request shows with the first answer, and becomes this answer's error.
    first = await anext(answers)

    async def pieces() -> AsyncIterator[bytes]:
        yield first.data
        async for answer in answers:
            yield answer.data

    return {"imageStream": await calls.streams.send(pieces())}
