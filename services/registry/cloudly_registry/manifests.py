"""Manifests and tags: what a push makes visible, in one transaction with the news of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog
from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.errors import StaleEtag
from cloudly_kit.hints import Hints
from cloudly_kit.outbox import Outbox
from cloudly_kit.store import Session
from cloudly_kit.store.documents import now

from cloudly_registry import events
from cloudly_registry.blobs import Blobs
from cloudly_registry.documents import ImageDocument, ManifestRow, Version
from cloudly_registry.errors import (
    Denied,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameUnknown,
)
from cloudly_registry.manifest_cache import ManifestCache
from cloudly_registry.manifest_format import IMAGE_CONFIGS, Manifest, parse, platform_of_config
from cloudly_registry.pins import Pins
from cloudly_registry.quarantine import VERSIONS_SHOWN, Quarantine
from cloudly_registry.quotas import check_quota
from cloudly_registry.references import algorithm_of, digest_of, is_digest
from cloudly_registry.retention import immutable
from cloudly_registry.shared_reads import SharedReads
from cloudly_registry.store import RegistryStore

log = structlog.get_logger()

_CONFIG_BYTES = 1 << 20


@dataclass(frozen=True)
class Stored:
    """A manifest as it is handed out."""

    media_type: str
    digest: str
    body: bytes


class Manifests:
    """Manifests and tags of all repositories."""

    def __init__(
        self,
        store: RegistryStore,
        blobs: Blobs,
        pins: Pins,
        quarantine: Quarantine,
        outbox: Outbox,
        hints: Hints,
        cache: ManifestCache,
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._pins = pins
        self._quarantine = quarantine
        self._outbox = outbox
        self._hints = hints
        self._cache = cache
        self._tag_reads = SharedReads(store.tags_by_id)

    async def get(self, image_id: str, reference: str) -> Stored:
        """The manifest that a tag or digest means. Raises ManifestUnknown."""
        if is_digest(reference):
            media_type = self._cache.media_type(image_id, reference)
            if not media_type:
                row = await self._store.manifest(image_id, reference)
                if row is None:
                    raise ManifestUnknown(reference)
                media_type = row.media_type
                self._cache.remember(image_id, reference, media_type)
            digest = reference
        else:
            # Asked each time: a tag that was moved through another replica is seen at once.
            tag = await self._tag_reads.read(f"{image_id}/{reference}")
            if tag is None:
                raise ManifestUnknown(reference)
            digest, media_type = tag.version.digest, tag.version.media_type
        body = self._cache.body(digest)
        if body is None:
            body = await self._store.content(digest)
            if body is None or digest_of(body, algorithm_of(digest)) != digest:
                log.error("registry.manifest_lost", image=image_id, digest=digest, there=body is not None)
                raise ManifestUnknown(reference)
            self._cache.keep(digest, body)
        return Stored(media_type, digest, body)

    async def put(
        self, image_id: str, reference: str, media_type: str, body: bytes, pushed_by: str, tags: Sequence[str] = ()
    ) -> ManifestRow:
        """Store a manifest under its digest, move `reference`, if it is a tag, and `tags` there, and tell of it.

        Raises:
            ManifestInvalid: it is no manifest that can be kept.
            DigestInvalid: `reference` is another digest than its own.
            ManifestBlobUnknown: what it refers to is not in the repository.
            Denied: the tag is immutable and points elsewhere, or the repository's quota would be passed.
        """
        manifest = parse(media_type, body)
        digest = digest_of(body, algorithm_of(reference) if is_digest(reference) else "sha256")
        if is_digest(reference) and digest != reference:
            raise DigestInvalid("provided digest did not match manifest content", {"digest": reference})
        platform = await self._platform(image_id, manifest)

        async def work(session: Session) -> ManifestRow:
            image = await self._image(image_id, session)
            children = await self._checked_children(image, manifest, session)
            row = _row(image_id, digest, manifest, body, children, platform, pushed_by)
            if await self._store.manifest(image_id, digest, session) is None:
                held_bytes = image.size_bytes
                image.size_bytes += row.size + await self._new_blob_bytes(image_id, _sizes(manifest), session)
                check_quota(image, held_bytes)
            await self._store.put_manifest(row, body, session)
            for tag in tags if is_digest(reference) else (reference, *tags):
                await self._move_tag(image, tag, row, pushed_by, session)
            if row.subject:
                news = events.referrer_pushed(image, row)
                await self._outbox.put(events.REFERRER_PUSHED, news, session=session)
            await self._store.images.replace(image, session=session)
            crashpoint("registry.push.before_commit")
            return row

        row = await self._store.transaction(work)
        crashpoint("registry.push.after_commit")
        self._cache.keep(digest, body)
        self._cache.remember(image_id, digest, row.media_type)
        log.info("registry.pushed", image=image_id, reference=reference, digest=digest, by=pushed_by)
        return row

    async def keep_copy(self, image_id: str, digest: str, media_type: str, body: bytes, tag: str, by: str) -> Stored:
        """Keep a manifest of another registry, whose blobs and children come when they are asked for; nobody is told.

        Raises:
            ManifestInvalid: it is no manifest that can be kept.
        """
        manifest = parse(media_type, body)

        async def work(session: Session) -> ManifestRow:
            image = await self._image(image_id, session)
            row = _row(image_id, digest, manifest, body, [], "", by)
            if await self._store.manifest(image_id, digest, session) is None:
                image.size_bytes += row.size + await self._new_blob_bytes(image_id, _sizes(manifest), session)
            await self._store.put_manifest(row, body, session)
            if tag:
                is_new = await self._store.tag(image.id, tag, session) is None
                await self._point_tag(image, tag, row, by, session, is_new=is_new)
            await self._store.images.replace(image, session=session)
            return row

        row = await self._store.transaction(work)
        self._cache.keep(digest, body)
        self._cache.remember(image_id, digest, row.media_type)
        return Stored(row.media_type, digest, body)

    async def delete(self, image_id: str, reference: str, by: str, *, spare_parts: bool = False) -> None:
        """Delete a tag, or a manifest with all tags that point to it.

        Raises:
            ManifestUnknown: there is none.
            Denied: a cluster runs it, or could go back to it; with `spare_parts` also: an index refers to it.
        """
        if not is_digest(reference):
            await self.untag(image_id, reference, "", by)
            return
        holder = await self.holder(image_id, reference)
        if holder:
            raise Denied(f"the cluster {holder} runs this, or could go back to it", {"digest": reference})

        async def work(session: Session) -> None:
            above = await self._store.refers_to(image_id, reference, session) if spare_parts else ""
            if above:
                raise Denied(f"the index {above} refers to it: delete that first", {"digest": reference})
            await self.take_manifest(image_id, reference, "deleted", by, session)

        await self._store.transaction(work)
        await self.forget(image_id, reference)

    async def holder(self, image_id: str, digest: str) -> str:
        """The id of a cluster that runs a manifest, or an index with it, or could go back to it; empty when none does."""
        needing = [digest]
        for each in needing:
            needing += [above for above in await self._store.referring(image_id, each) if above not in needing]
        return await self._pins.holder(needing)

    async def tag(self, image_id: str, digest: str, tag: str, by: str) -> Version:
        """Point a tag to a manifest that is here, and tell of it as of a push.

        Raises:
            ManifestUnknown: there is none.
            Denied: the tag is immutable and points elsewhere.
        """

        async def work(session: Session) -> Version:
            image = await self._image(image_id, session)
            row = await self._store.manifest(image_id, digest, session)
            if row is None:
                raise ManifestUnknown(digest)
            # Written so that it meets a collector that is about to take it.
            await self._store.use("manifests", row.id, session)
            version = await self._move_tag(image, tag, row, by, session)
            await self._store.images.replace(image, session=session)
            return version

        return await self._store.transaction(work)

    async def untag(self, image_id: str, tag: str, digest: str, by: str) -> None:
        """Delete a tag, if it points to `digest` or that is empty.

        Raises:
            ManifestUnknown: there is none.
            StaleEtag: it points to something else.
        """

        async def work(session: Session) -> None:
            found = await self._store.tag(image_id, tag, session)
            if found is not None and digest and found.version.digest != digest:
                raise StaleEtag("tag", tag, found.version.digest)
            await self.take_tag(image_id, tag, "deleted", by, session)

        await self._store.transaction(work)

    async def forget(self, image_id: str, digest: str) -> None:
        """Have all replicas look a manifest up again."""
        self._cache.forget(image_id, digest)
        await self._hints.publish(ManifestCache.HINT, f"{image_id}/{digest}")

    async def tags(self, image_id: str, last: str, limit: int) -> list[str]:
        """Tags in ASCII order, after `last`."""
        return await self._store.tags_after(image_id, last, limit)

    async def referrers(self, image_id: str, subject: str, last: str, limit: int) -> list[ManifestRow]:
        """Manifests that name `subject` as theirs, by digest, after `last`."""
        return await self._store.referrers(image_id, subject, last, limit)

    async def _image(self, image_id: str, session: Session) -> ImageDocument:
        image = await self._store.images.find(image_id, session=session)
        if image is None:
            raise NameUnknown(image_id)
        return image.model_copy(deep=True)

    async def _platform(self, image_id: str, manifest: Manifest) -> str:
        if manifest.config is None or manifest.config.media_type not in IMAGE_CONFIGS:
            return ""
        return platform_of_config(await self._blobs.read(image_id, manifest.config.digest, _CONFIG_BYTES))

    async def _checked_children(self, image: ImageDocument, manifest: Manifest, session: Session) -> list[ManifestRow]:
        missing = await self._store.missing("links", image.id, (b.digest for b in manifest.blobs), session)
        wanted = {child.digest for child in manifest.children}
        children = await self._store.manifests(image.id, wanted, session) if wanted else []
        if gone := wanted - {child.digest for child in children}:
            # Deleted or collected since the client saw them: what a push refers to comes back.
            await self._quarantine.revive(image.id, gone, image, session)
            children = await self._store.manifests(image.id, wanted, session)
            missing += sorted(wanted - {child.digest for child in children})
        if missing:
            raise ManifestBlobUnknown(missing)
        return children

    async def _new_blob_bytes(self, image_id: str, sizes: Mapping[str, int], session: Session) -> int:
        """Bytes of those blobs, given with their sizes, that no other manifest of the repository refers to."""
        known = await self._store.referred_to(image_id, sizes, session)
        return sum(size for digest, size in sizes.items() if digest not in known)

    async def _move_tag(
        self, image: ImageDocument, tag: str, row: ManifestRow, pushed_by: str, session: Session
    ) -> Version:
        known = await self._store.tag(image.id, tag, session)
        if known and known.version.digest != row.digest and immutable(tag, image.immutable_tags):
            raise Denied(
                f"the tag {tag} is immutable in this repository: push under another tag",
                {"tag": tag, "digest": known.version.digest},
            )
        version = await self._point_tag(image, tag, row, pushed_by, session, is_new=known is None)
        # The same digest again is told too: whoever reads it decides whether that is news.
        news = events.image_pushed(image, version, known.version.digest if known else "")
        await self._outbox.put(events.IMAGE_PUSHED, news, session=session)
        return version

    async def _point_tag(
        self, image: ImageDocument, tag: str, row: ManifestRow, pushed_by: str, session: Session, *, is_new: bool
    ) -> Version:
        version = Version(
            tag=tag,
            digest=row.digest,
            media_type=row.media_type,
            size_bytes=row.total_bytes,
            push_time=now(),
            pushed_by=pushed_by,
            platforms=row.platforms,
        )
        await self._store.put_tag(image.id, version, session)
        others = [shown for shown in image.versions if shown.tag != tag]
        image.versions = [version, *others][:VERSIONS_SHOWN]
        image.version_count += is_new
        return version

    async def take_tag(self, image_id: str, tag: str, reason: str, by: str, session: Session) -> None:
        """Move a tag into quarantine. Raises ManifestUnknown."""
        row = await self._store.tag(image_id, tag, session)
        if row is None:
            raise ManifestUnknown(tag)
        image = await self._image(image_id, session)
        await self._quarantine.take_tag(row, reason, by, session)
        await self._store.delete_tag(image_id, tag, session)
        await self._tell_deleted(image, [tag], row.version.digest, reason, by, session)
        await self._show_without(image, [tag], session)
        await self._store.images.replace(image, session=session)
        crashpoint("registry.delete.before_commit")

    async def take_manifest(self, image_id: str, digest: str, reason: str, by: str, session: Session) -> ImageDocument:
        """Move a manifest and its tags into quarantine; its image then. Raises ManifestUnknown."""
        row = await self._store.manifest(image_id, digest, session)
        if row is None:
            raise ManifestUnknown(digest)
        body = await self._store.content(digest, session)
        image = await self._image(image_id, session)
        tags = await self._store.tags_of(image_id, digest, session)
        await self._quarantine.take_manifest(row, tags, reason, by, session)
        await self._store.delete_manifest(image_id, digest, session)
        names = [tag.version.tag for tag in tags]
        for name in names:
            await self._store.delete_tag(image_id, name, session)
        await self._tell_deleted(image, [*names, ""], digest, reason, by, session)
        if body is None:  # what is damaged has to go as well
            links = await self._store.links_by_id(f"{image_id}/{reference}" for reference in row.references)
            sizes = {link.digest: link.size for link in links.values()}
        else:
            sizes = _sizes(parse(row.media_type, body))
        freed = row.size + await self._new_blob_bytes(image_id, sizes, session)
        image.size_bytes = max(0, image.size_bytes - freed)
        await self._show_without(image, names, session)
        image = await self._store.images.replace(image, session=session)
        crashpoint("registry.delete.before_commit")
        return image

    async def _tell_deleted(
        self, image: ImageDocument, tags: Sequence[str], digest: str, reason: str, by: str, session: Session
    ) -> None:
        """Tell of deleted tags; an empty one stands for the manifest itself."""
        for tag in tags:
            news = events.content_deleted(image, reason, by, tag=tag, digest=digest)
            await self._outbox.put(events.CONTENT_DELETED, news, session=session)

    async def _show_without(self, image: ImageDocument, tags: Sequence[str], session: Session) -> None:
        image.version_count = max(0, image.version_count - len(tags))
        image.versions = [shown for shown in image.versions if shown.tag not in tags]
        if len(image.versions) < min(image.version_count, VERSIONS_SHOWN):
            image.versions = (await self._store.versions(image.id, session))[:VERSIONS_SHOWN]


def _sizes(manifest: Manifest) -> dict[str, int]:
    return {blob.digest: blob.size for blob in manifest.blobs}


def _row(
    image_id: str,
    digest: str,
    manifest: Manifest,
    body: bytes,
    children: Sequence[ManifestRow],
    platform: str,
    pushed_by: str,
) -> ManifestRow:
    if manifest.subject is not None and manifest.subject.digest == digest:
        raise ManifestInvalid("a manifest cannot be its own subject")
    config_type = manifest.config.media_type if manifest.config else ""
    told = [child.platform for child in manifest.children] + [p for child in children for p in child.platforms]
    return ManifestRow(
        id=f"{image_id}/{digest}",
        image_id=image_id,
        digest=digest,
        media_type=manifest.media_type,
        artifact_type=manifest.artifact_type or config_type,
        size=len(body),
        total_bytes=len(body) + sum(b.size for b in manifest.blobs) + sum(c.total_bytes for c in children),
        references=list(dict.fromkeys(d.digest for d in manifest.blobs + manifest.children)),
        subject=manifest.subject.digest if manifest.subject else "",
        platforms=sorted({*told, platform} - {""}),
        annotations=dict(manifest.annotations),
        push_time=now(),
        pushed_by=pushed_by,
    )
