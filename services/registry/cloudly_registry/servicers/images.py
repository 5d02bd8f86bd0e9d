"""The gRPC surface of images: parse, call the domain, answer."""

from collections.abc import AsyncIterator, Iterable
from typing import Any

from cloudly.registry.v1 import image_pb2, image_pb2_grpc
from cloudly_kit.identity import caller
from cloudly_kit.jobs import Executions
from cloudly_kit.jobs.servicer import to_message
from cloudly_kit.masks import apply_mask
from cloudly_kit.resources import page_request, request_key, timestamp, with_metadata
from cloudly_kit.watches import watch_event

from cloudly_registry.documents import ImageDocument, Version
from cloudly_registry.images import Images
from cloudly_registry.jobs import CHECK, COLLECT_GARBAGE
from cloudly_registry.pins import Pins
from cloudly_registry.quarantine import Quarantine
from cloudly_registry.quarantine_store import Held
from cloudly_registry.retention import RetentionRule, checked_rules
from cloudly_registry.store import RegistryStore


class ImageServicer(image_pb2_grpc.ImageServiceServicer):
    """cloudly.registry.v1.ImageService."""

    def __init__(
        self,
        store: RegistryStore,
        images: Images,
        pins: Pins,
        quarantine: Quarantine,
        executions: Executions,
        registry_host: str,
    ) -> None:
        self._store = store
        self._images = images
        self._pins = pins
        self._quarantine = quarantine
        self._executions = executions
        self._registry_host = registry_host

    async def CreateImage(self, request: image_pb2.CreateImageRequest, context: Any) -> image_pb2.CreateImageResponse:
        """Make a record by hand."""
        asked = request.image
        document = ImageDocument(
            name=asked.name,
            repository=asked.repository,
            description=asked.description,
            labels=dict(asked.labels),
            public=asked.public,
            quota_bytes=asked.quota_bytes,
            immutable_tags=list(asked.immutable_tags),
            retention=retention_rules(asked.retention, "image.retention"),
        )
        created = await self._images.create(document, request_key(request))
        return image_pb2.CreateImageResponse(image=self._message(created))

    async def GetImage(self, request: image_pb2.GetImageRequest, context: Any) -> image_pb2.GetImageResponse:
        """One record."""
        return image_pb2.GetImageResponse(image=self._message(await self._store.images.get(request.image_id)))

    async def ListImages(self, request: image_pb2.ListImagesRequest, context: Any) -> image_pb2.ListImagesResponse:
        """A page of records."""
        page = await self._store.images.page(["-"], page_request(request))
        return image_pb2.ListImagesResponse(
            images=[self._message(image) for image in page.items], next_page_token=page.next_page_token
        )

    async def UpdateImage(self, request: image_pb2.UpdateImageRequest, context: Any) -> image_pb2.UpdateImageResponse:
        """Change what people may set."""
        present = self._message(await self._store.images.get(request.image.id))
        wished = apply_mask(present, request.image, request.update_mask)
        fields = {
            "name": wished.name,
            "labels": dict(wished.labels),
            "description": wished.description,
            "public": wished.public,
            "quota_bytes": wished.quota_bytes,
            "immutable_tags": list(wished.immutable_tags),
            "retention": retention_rules(wished.retention, "image.retention"),
        }
        image = await self._images.update(request.image.id, fields, request.image.etag)
        return image_pb2.UpdateImageResponse(image=self._message(image))

    async def DeleteImage(self, request: image_pb2.DeleteImageRequest, context: Any) -> image_pb2.DeleteImageResponse:
        """Delete a record with all that was pushed."""
        await self._images.delete(request.image_id, request.etag, caller().actor.name)
        return image_pb2.DeleteImageResponse()

    async def RestoreImage(
        self, request: image_pb2.RestoreImageRequest, context: Any
    ) -> image_pb2.RestoreImageResponse:
        """Bring a deleted image back."""
        return image_pb2.RestoreImageResponse(
            image=self._message(await self._quarantine.restore_image(request.image_id))
        )

    async def RestoreImageVersion(
        self, request: image_pb2.RestoreImageVersionRequest, context: Any
    ) -> image_pb2.RestoreImageVersionResponse:
        """Bring a deleted tag or manifest back."""
        digest = await self._quarantine.restore(request.image_id, request.reference)
        return image_pb2.RestoreImageVersionResponse(digest=digest)

    async def ListDeletedImageVersions(
        self, request: image_pb2.ListDeletedImageVersionsRequest, context: Any
    ) -> image_pb2.ListDeletedImageVersionsResponse:
        """A page of what can be brought back."""
        page = await self._quarantine.page(request.image_id, page_request(request))
        return image_pb2.ListDeletedImageVersionsResponse(
            versions=[_deleted_message(held) for held in page.items], next_page_token=page.next_page_token
        )

    async def CollectGarbage(
        self, request: image_pb2.CollectGarbageRequest, context: Any
    ) -> image_pb2.CollectGarbageResponse:
        """Start a collection."""
        parameters = {"dryRun": request.dry_run}
        record = await self._executions.create(COLLECT_GARBAGE, parameters, actor=caller().actor.name)
        return image_pb2.CollectGarbageResponse(execution=to_message(record))

    async def CheckRegistry(
        self, request: image_pb2.CheckRegistryRequest, context: Any
    ) -> image_pb2.CheckRegistryResponse:
        """Start a check."""
        parameters = {"deep": request.deep, "repair": request.repair}
        record = await self._executions.create(CHECK, parameters, actor=caller().actor.name)
        return image_pb2.CheckRegistryResponse(execution=to_message(record))

    async def WatchImages(
        self, request: image_pb2.WatchImagesRequest, context: Any
    ) -> AsyncIterator[image_pb2.WatchImagesResponse]:
        """Records as they are, then as they change."""
        async for change in self._store.images.watch(cursor=request.cursor):
            yield image_pb2.WatchImagesResponse(
                event=watch_event(change),
                image=self._message(change.document) if change.document else None,
                cursor=change.cursor,
            )

    async def EnsureRepository(
        self, request: image_pb2.EnsureRepositoryRequest, context: Any
    ) -> image_pb2.EnsureRepositoryResponse:
        """Make a workload's repository."""
        image = await self._images.ensure_repository(request.repository, request.workload_id)
        return image_pb2.EnsureRepositoryResponse(image_id=image.id, target=f"{self._registry_host}/{image.repository}")

    async def SetPins(self, request: image_pb2.SetPinsRequest, context: Any) -> image_pb2.SetPinsResponse:
        """Take in what a cluster needs."""
        await self._pins.set(request.cluster_id, request.digests, request.revision)
        return image_pb2.SetPinsResponse()

    def _message(self, image: ImageDocument) -> image_pb2.Image:
        """The record as the contract tells it."""
        message = image_pb2.Image(
            name=image.name,
            description=image.description,
            repository=image.repository,
            versions=[_version_message(version) for version in image.versions],
            version_count=image.version_count,
            size_bytes=image.size_bytes,
            workload_id=image.workload_id,
            quota_bytes=image.quota_bytes,
            immutable_tags=image.immutable_tags,
            retention=[
                image_pb2.RetentionRule(
                    tag_pattern=rule.tag_pattern, keep_last=rule.keep_last, keep_days=rule.keep_days
                )
                for rule in image.retention
            ],
            public=image.public,
            target=f"{self._registry_host}/{image.repository}",
        )
        return with_metadata(message, image)


def retention_rules(told: Iterable[image_pb2.RetentionRule], field: str) -> list[RetentionRule]:
    """Rules out of a request's field. Raises InvalidArgument."""
    rules = [
        RetentionRule(tag_pattern=rule.tag_pattern or "*", keep_last=rule.keep_last, keep_days=rule.keep_days)
        for rule in told
    ]
    return checked_rules(rules, field)


def _version_message(version: Version) -> image_pb2.ImageVersion:
    return image_pb2.ImageVersion(
        tag=version.tag,
        digest=version.digest,
        media_type=version.media_type,
        size_bytes=version.size_bytes,
        push_time=timestamp(version.push_time),
        pushed_by=version.pushed_by,
        platforms=version.platforms,
    )


def _deleted_message(held: Held) -> image_pb2.DeletedImageVersion:
    return image_pb2.DeletedImageVersion(
        id=held.id,
        image_id=held.image_id,
        kind=held.kind.value,
        reference=held.reference,
        digest=held.digest,
        size_bytes=held.size,
        reason=held.reason,
        deleted_by=held.deleted_by,
        delete_time=timestamp(held.delete_time),
        expire_time=timestamp(held.expire_time),
        tags=held.tags,
    )
