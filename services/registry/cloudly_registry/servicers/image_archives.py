"""ImageArchiveService."""

from collections.abc import AsyncIterator
from typing import Any

from cloudly.registry.v1 import image_archive_pb2 as pb
from cloudly.registry.v1 import image_archive_pb2_grpc
from cloudly_kit.access import check_limits
from cloudly_kit.errors import InvalidArgument
from cloudly_kit.identity import caller

from cloudly_registry.archives.exporting import Exporting
from cloudly_registry.archives.importing import Importing
from cloudly_registry.blobs import Blobs
from cloudly_registry.documents import ImageDocument
from cloudly_registry.store import RegistryStore

_PIECE = 1 << 20


class ImageArchiveServicer(image_archive_pb2_grpc.ImageArchiveServiceServicer):
    """See proto/cloudly/registry/v1/image_archive.proto."""

    def __init__(self, store: RegistryStore, blobs: Blobs, importing: Importing, exporting: Exporting) -> None:
        self._store = store
        self._blobs = blobs
        self._importing = importing
        self._exporting = exporting

    async def ImportImageArchive(
        self, requests: AsyncIterator[pb.ImportImageArchiveRequest], context: Any
    ) -> pb.ImportImageArchiveResponse:
        """Take an archive in."""
        first = await anext(requests, None)
        if first is None or not first.image_id or not first.tag:
            raise InvalidArgument.of(("image_id", "the first message has to name image and tag"))
        image = await self._image(first.image_id)

        async def pieces() -> AsyncIterator[bytes]:
            yield first.data
            async for request in requests:
                yield request.data

        by = caller().actor.name
        digest = await self._importing.take(image.id, first.tag, pieces(), by, first.present)
        return pb.ImportImageArchiveResponse(digest=digest)

    async def FindImageBlobs(self, request: pb.FindImageBlobsRequest, context: Any) -> pb.FindImageBlobsResponse:
        """Say which blobs are there."""
        image = await self._image(request.image_id)
        return pb.FindImageBlobsResponse(digests=await self._blobs.held(image.id, request.digests))

    async def ExportImageArchive(
        self, request: pb.ExportImageArchiveRequest, context: Any
    ) -> AsyncIterator[pb.ExportImageArchiveResponse]:
        """Give an archive out."""
        image = await self._image(request.image_id)
        archive = self._exporting.give(
            image, request.reference, request.platform, offset=request.offset, digest=request.digest
        )
        async for piece in archive:
            for start in range(0, len(piece), _PIECE):
                yield pb.ExportImageArchiveResponse(data=piece[start : start + _PIECE])

    async def _image(self, image_id: str) -> ImageDocument:
        image = await self._store.images.get(image_id)
        check_limits(repository=image.repository, workload=image.workload_id)
        return image
