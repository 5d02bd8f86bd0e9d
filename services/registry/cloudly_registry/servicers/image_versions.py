"""The gRPC surface of versions: parse, call the domain, answer."""

from collections.abc import Sequence
from typing import Any

from cloudly.registry.v1 import image_pb2, image_version_pb2_grpc
from cloudly.registry.v1 import image_version_pb2 as pb
from cloudly_kit.access import allows, check_limits
from cloudly_kit.identity import caller
from cloudly_kit.resources import page_request, timestamp

from cloudly_registry.documents import ImageDocument
from cloudly_registry.image_config import HistoryEntry, ImageConfig
from cloudly_registry.image_versions import ImageVersion, ImageVersions, Part, Referrer
from cloudly_registry.manifest_format import Descriptor
from cloudly_registry.resolving import Resolving
from cloudly_registry.servicers.images import retention_rules
from cloudly_registry.store import RegistryStore
from cloudly_registry.uploads import Uploads

_OUTDATED_SHOWN = 500


class ImageVersionServicer(image_version_pb2_grpc.ImageVersionServiceServicer):
    """cloudly.registry.v1.ImageVersionService."""

    def __init__(
        self,
        store: RegistryStore,
        versions: ImageVersions,
        uploads: Uploads,
        resolving: Resolving,
        registry_host: str,
    ) -> None:
        self._store = store
        self._versions = versions
        self._uploads = uploads
        self._resolving = resolving
        self._registry_host = registry_host

    async def ListImageVersions(
        self, request: pb.ListImageVersionsRequest, context: Any
    ) -> pb.ListImageVersionsResponse:
        """A page of versions."""
        image = await self._image(request.image_id)
        page = await self._versions.page(image.id, page_request(request), tag=request.tag, every=request.all)
        return pb.ListImageVersionsResponse(
            versions=[version_message(version) for version in page.items], next_page_token=page.next_page_token
        )

    async def GetImageVersion(self, request: pb.GetImageVersionRequest, context: Any) -> pb.GetImageVersionResponse:
        """One version with all that is known of it."""
        image = await self._image(request.image_id)
        # Environment and history are the image's content as much as its layers are, and may hold secrets.
        may_pull = image.public or allows(caller().actor, "registry.pull")
        details = await self._versions.get(image.id, request.reference, with_config=may_pull)
        digest = details.version.row.digest
        return pb.GetImageVersionResponse(
            version=version_message(details.version),
            manifests=[_part_message(part) for part in details.parts],
            manifest_count=details.part_count,
            referrers=[_referrer_message(referrer) for referrer in details.referrers],
            part_of=details.part_of,
            pull_reference=f"{self._registry_host}/{image.repository}@{digest}",
        )

    async def DeleteImageVersion(
        self, request: pb.DeleteImageVersionRequest, context: Any
    ) -> pb.DeleteImageVersionResponse:
        """Delete a version with its tags."""
        image = await self._image(request.image_id)
        await self._versions.delete(image.id, request.reference, caller().actor.name)
        return pb.DeleteImageVersionResponse()

    async def ResolveImage(self, request: pb.ResolveImageRequest, context: Any) -> pb.ResolveImageResponse:
        """The digest that a tag leads to."""
        digest = await self._resolving.digest(request.server, request.repository, request.tag)
        return pb.ResolveImageResponse(digest=digest)

    async def TagImage(self, request: pb.TagImageRequest, context: Any) -> pb.TagImageResponse:
        """Point a tag to a version."""
        image = await self._image(request.image_id)
        version = await self._versions.tag(image.id, request.reference, request.tag, caller().actor.name)
        return pb.TagImageResponse(version=version_message(version))

    async def UntagImage(self, request: pb.UntagImageRequest, context: Any) -> pb.UntagImageResponse:
        """Take a tag away."""
        image = await self._image(request.image_id)
        await self._versions.untag(image.id, request.tag, request.digest, caller().actor.name)
        return pb.UntagImageResponse()

    async def PreviewRetention(self, request: pb.PreviewRetentionRequest, context: Any) -> pb.PreviewRetentionResponse:
        """What rules would let go."""
        image = await self._image(request.image_id)
        rules = retention_rules(request.retention, "retention") if request.retention else None
        gone, kept = await self._versions.outdated(image, rules)
        return pb.PreviewRetentionResponse(
            tags=[
                pb.OutdatedTag(
                    tag=each.version.tag,
                    digest=each.version.digest,
                    push_time=timestamp(each.version.push_time),
                    reason=each.reason,
                )
                for each in gone[:_OUTDATED_SHOWN]
            ],
            outdated_count=len(gone),
            kept_count=kept,
        )

    async def GetRegistryUsage(self, request: pb.GetRegistryUsageRequest, context: Any) -> pb.GetRegistryUsageResponse:
        """What the registry holds."""
        usage = await self._versions.usage()
        return pb.GetRegistryUsageResponse(
            image_count=usage.images,
            version_count=usage.versions,
            blob_count=usage.blobs,
            blob_bytes=usage.blob_bytes,
            image_bytes=usage.image_bytes,
            quarantine_count=usage.quarantined,
            upload_count=await self._uploads.count(),
        )

    async def _image(self, image_id: str) -> ImageDocument:
        image = await self._store.images.get(image_id)
        check_limits(repository=image.repository, workload=image.workload_id)
        return image


def version_message(version: ImageVersion) -> image_pb2.ImageVersion:
    """A version as the contract tells it."""
    row = version.row
    kind = image_pb2.IMAGE_VERSION_KIND_ARTIFACT
    if version.is_index:
        kind = image_pb2.IMAGE_VERSION_KIND_INDEX
    elif version.is_image:
        kind = image_pb2.IMAGE_VERSION_KIND_IMAGE
    return image_pb2.ImageVersion(
        tag=version.tags[0].tag if version.tags else "",
        digest=row.digest,
        media_type=row.media_type,
        size_bytes=row.total_bytes,
        push_time=timestamp(row.push_time),
        pushed_by=row.pushed_by,
        platforms=row.platforms,
        tags=[each.tag for each in version.tags],
        kind=kind,
        artifact_type=row.artifact_type,
        subject=row.subject,
        annotations=row.annotations,
        pinned_by=version.pinned_by,
    )


def _part_message(part: Part) -> pb.ImageManifest:
    return pb.ImageManifest(
        digest=part.descriptor.digest,
        media_type=part.descriptor.media_type,
        artifact_type=part.artifact_type,
        platform=part.platform,
        size_bytes=part.size,
        annotations=part.annotations,
        layers=[_layer_message(layer) for layer in part.layers],
        config=_config_message(part.config) if part.config else None,
        attests=part.attests,
        present=part.present,
    )


def _layer_message(layer: Descriptor) -> pb.ImageLayer:
    return pb.ImageLayer(
        digest=layer.digest, media_type=layer.media_type, size_bytes=layer.size, annotations=layer.annotations
    )


def _config_message(config: ImageConfig) -> pb.ImageConfig:
    return pb.ImageConfig(
        create_time=timestamp(config.create_time),
        author=config.author,
        user=config.user,
        entrypoint=config.entrypoint,
        command=config.command,
        working_directory=config.working_directory,
        environment=[pb.ImageVariable(name=name, value=value) for name, value in config.environment],
        labels=config.labels,
        exposed_ports=config.exposed_ports,
        volumes=config.volumes,
        stop_signal=config.stop_signal,
        history=_history_messages(config.history),
    )


def _history_messages(history: Sequence[HistoryEntry]) -> list[pb.ImageHistoryEntry]:
    return [
        pb.ImageHistoryEntry(
            create_time=timestamp(entry.create_time),
            created_by=entry.created_by,
            comment=entry.comment,
            author=entry.author,
            layer_digest=entry.layer.digest if entry.layer else "",
            size_bytes=entry.layer.size if entry.layer else 0,
        )
        for entry in history
    ]


def _referrer_message(referrer: Referrer) -> pb.ImageReferrer:
    row = referrer.row
    return pb.ImageReferrer(
        digest=row.digest,
        kind=pb.ImageReferrerKind.Value(f"IMAGE_REFERRER_KIND_{referrer.kind.name}"),
        artifact_type=row.artifact_type,
        media_type=row.media_type,
        size_bytes=row.total_bytes,
        push_time=timestamp(row.push_time),
        pushed_by=row.pushed_by,
        annotations=row.annotations,
        tag=referrer.tag,
    )
