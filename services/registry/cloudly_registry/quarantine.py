"""Deleted things on their way out: taken in by whoever deletes, brought back by people, pushes and pins, or let go."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

import structlog
from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.errors import AlreadyExists, FailedPrecondition, NotFound
from cloudly_kit.store import Page, PageRequest, Session, now
from cloudly_kit.store.paging import Position, fingerprint, from_token, page_size, to_token

from cloudly_registry.documents import ImageDocument, Link, ManifestRow, TagRow, Version
from cloudly_registry.manifest_format import parse
from cloudly_registry.quarantine_store import Held, Kind
from cloudly_registry.store import RegistryStore

log = structlog.get_logger()

VERSIONS_SHOWN = 100


class Quarantine:
    """Takes part in the transactions of those who delete and of those who push."""

    def __init__(self, store: RegistryStore, kept: timedelta) -> None:
        self._store = store
        self._rows = store.quarantine
        self._kept = kept

    # -- in -------------------------------------------------------------------------------------------------------

    async def take_tag(self, tag: TagRow, reason: str, by: str, session: Session) -> None:
        """Keep a tag that is being deleted."""
        version = tag.version
        held = self._held(tag.image_id, Kind.TAG, version.tag, reason, by)
        held.digest, held.size, held.rows = version.digest, version.size_bytes, [tag.model_dump(by_alias=True)]
        await self._rows.put(held, session)

    async def take_manifest(
        self, row: ManifestRow, tags: Sequence[TagRow], reason: str, by: str, session: Session
    ) -> None:
        """Keep a manifest that is being deleted, with the tags that go with it."""
        held = self._held(row.image_id, Kind.MANIFEST, row.digest, reason, by)
        held.digest, held.subject, held.size = row.digest, row.subject, row.total_bytes
        held.references = row.references
        held.rows = [row.stored(), *(tag.model_dump(by_alias=True) for tag in tags)]
        await self._rows.put(held, session)

    async def take_blob(self, link: Link, by: str, session: Session) -> None:
        """Keep a blob that is being taken out of a repository."""
        held = self._held(link.image_id, Kind.BLOB, link.digest, "deleted", by)
        held.digest, held.size, held.references = link.digest, link.size, [link.digest]
        held.rows = [link.model_dump(by_alias=True)]
        await self._rows.put(held, session)

    async def take_image(self, image: ImageDocument, by: str, session: Session) -> None:
        """Keep a repository that is being deleted; its manifests, tags and links stay where they are."""
        held = self._held(image.id, Kind.IMAGE, image.repository, "deleted", by)
        held.size, held.rows = image.size_bytes, [image.model_dump(by_alias=True)]
        await self._rows.put(held, session)

    async def page(self, image_id: str, request: PageRequest) -> Page[Held]:
        """What can be brought back of a repository, or deleted repositories where the id is empty, newest first.

        Raises:
            InvalidArgument, InvalidPageToken: as lists of the store.
        """
        size, mark = page_size(request), fingerprint([image_id], request)
        position = from_token(request.page_token, mark, 1)
        after = (position.value, position.id) if position else None
        found = await self._rows.page(image_id, after, size + 1)
        last = found[size - 1] if len(found) > size else None
        return Page(found[:size], to_token(Position(0, last.delete_time, last.id), mark) if last else "")

    # -- back -----------------------------------------------------------------------------------------------------

    async def restore(self, image_id: str, reference: str) -> str:
        """Bring back a tag or a manifest, with everything that it needs and that was deleted; the digest.

        Raises:
            NotFound: nothing of that name is kept.
            AlreadyExists: the tag points to something else by now.
            FailedPrecondition: what it refers to is not here any more.
        """

        async def work(session: Session) -> str:
            image = (await self._store.images.get(image_id, session=session)).model_copy(deep=True)
            if ":" in reference:
                held = await self._rows.newest(image_id, Kind.MANIFEST, reference, session)
                digest = reference
            else:
                held = await self._rows.newest(image_id, Kind.TAG, reference, session)
                digest = held.digest if held else ""
                held = held or await self._with_tag(image_id, reference, session)
            if held is None:
                raise NotFound("deleted image version", reference)
            if held.kind is Kind.TAG:
                if await self._store.manifest(image_id, digest, session) is None:
                    await self._bring_manifest(image, digest, session)
                await self._bring_tag(image, TagRow.model_validate(held.rows[0]), session, strict=True)
                await self._rows.remove(held, session)
            else:
                digest = held.digest
                await self._bring_manifest(image, digest, session)
            await show(self._store, image, session)
            await self._store.images.replace(image, session=session)
            crashpoint("registry.restore.before_commit")
            return digest

        digest = await self._store.transaction(work)
        log.info("registry.restored", image=image_id, reference=reference, digest=digest)
        return digest

    async def restore_image(self, image_id: str) -> ImageDocument:
        """Bring back a repository with all that is in it.

        Raises:
            NotFound: it is not kept.
            AlreadyExists: its name or repository is taken by now.
        """

        async def work(session: Session) -> ImageDocument:
            found = [held for held in await self._rows.of_image(image_id, session) if held.kind is Kind.IMAGE]
            if not found:
                raise NotFound("deleted image", image_id)
            image = ImageDocument.model_validate(found[0].rows[0])
            if await self._store.image_of(image.repository) is not None:
                raise AlreadyExists("image", image.repository)
            for held in found:
                await self._rows.remove(held, session)
            tombstone = await self._rows.tombstone(image_id, session)
            if not tombstone:
                return (await self._store.images.insert(image, session=session))[0]
            return await self._store.images.replace(image.model_copy(update={"etag": tombstone}), session=session)

        image = await self._store.transaction(work)
        log.info("registry.image_restored", image=image_id, repository=image.repository)
        return image

    async def revive(self, image_id: str, digests: Iterable[str], image: ImageDocument, session: Session) -> None:
        """Bring back those manifests of a repository that a push refers to."""
        for digest in digests:
            if await self._rows.newest(image_id, Kind.MANIFEST, digest, session) is not None:
                await self._bring_manifest(image, digest, session)

    async def revive_pinned(self, digests: Iterable[str]) -> int:
        """Bring back whatever a cluster says it needs; how many."""
        revived = 0
        for held in await self._rows.manifests(digests):
            try:
                await self.restore(held.image_id, held.digest)
                revived += 1
            except (NotFound, AlreadyExists, FailedPrecondition) as error:
                log.warning("registry.pinned_kept", image=held.image_id, digest=held.digest, error=error.message)
        return revived

    async def _with_tag(self, image_id: str, tag: str, session: Session) -> Held | None:
        """The manifest that was deleted together with this tag."""
        held = [h for h in await self._rows.of_image(image_id, session) if h.kind is Kind.MANIFEST]
        with_it = [h for h in held if any(row["_id"] == f"{image_id}/{tag}" for row in h.rows[1:])]
        return max(with_it, key=lambda h: h.delete_time, default=None)

    async def _bring_manifest(self, image: ImageDocument, digest: str, session: Session) -> None:
        held = await self._rows.newest(image.id, Kind.MANIFEST, digest, session)
        if held is None:
            if await self._store.manifest(image.id, digest, session) is None:
                raise FailedPrecondition(f"the manifest {digest} is not kept any more: push it again")
            return
        row = ManifestRow.of(held.rows[0])
        # Its row goes first: a manifest and what names it as its subject lead to each other.
        await self._rows.remove(held, session)
        await self._bring_references(image, row, session)
        body = await self._store.content(digest, session)
        if body is None:
            raise FailedPrecondition(f"the bytes of the manifest {digest} are lost: push it again")
        image.size_bytes += row.size
        for blob, size in {blob.digest: blob.size for blob in parse(row.media_type, body).blobs}.items():
            if not await self._store.refers_to(image.id, blob, session):
                image.size_bytes += size
        row.unused_since = None
        await self._store.bring_manifest(row, session)
        for tag in held.rows[1:]:
            await self._bring_tag(image, TagRow.model_validate(tag), session, strict=False)
        for referrer in await self._rows.referrers(image.id, digest, session):
            if referrer.kind is Kind.MANIFEST and referrer.reason == UNUSED:
                await self._bring_manifest(image, referrer.digest, session)

    async def _bring_references(self, image: ImageDocument, row: ManifestRow, session: Session) -> None:
        without_link = await self._store.missing("links", image.id, row.references, session)
        for digest in await self._store.missing("manifests", image.id, without_link, session):
            held = await self._rows.newest(image.id, Kind.BLOB, digest, session)
            blob = await self._store.blob(digest, session) if held else None
            if held is not None and blob is not None:
                await self._store.put_link(image.id, blob, session)
                await self._rows.remove(held, session)
            else:
                await self._bring_manifest(image, digest, session)

    async def _bring_tag(self, image: ImageDocument, tag: TagRow, session: Session, *, strict: bool) -> None:
        now_there = await self._store.tag(image.id, tag.version.tag, session)
        if now_there is not None:
            if strict and now_there.version.digest != tag.version.digest:
                raise AlreadyExists("tag", tag.version.tag)
            return
        await self._store.put_tag(image.id, tag.version, session)
        image.version_count += 1

    def _held(self, image_id: str, kind: Kind, reference: str, reason: str, by: str) -> Held:
        time = now()
        return Held(
            image_id=image_id,
            kind=kind,
            reference=reference,
            reason=reason,
            deleted_by=by,
            delete_time=time,
            expire_time=time + self._kept,
        )


UNUSED = "unused"
"""The reason of what the collector took: nothing pointed to it for the whole grace."""


async def show(store: RegistryStore, image: ImageDocument, session: Session) -> None:
    """Write the newest versions into the record again."""
    versions: list[Version] = await store.versions(image.id, session)
    image.versions = versions[:VERSIONS_SHOWN]
    image.version_count = len(versions)
