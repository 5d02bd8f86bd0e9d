"""Checking the registry: whether everything that is written down is there, and is what its digest says.

It runs beside pushes, pulls and the collector. What looks like a fault is looked at again, in the order in which others
write: what is gone by then was no fault. What is repaired, and how:

    a blob without its bytes         is marked: mounts and manifests that need it are refused until a push brings it again
    a blob with wrong bytes          the same, and the bytes are moved aside to registry/damaged/
    a blob whose record is missing   gets it again, from a repository that has it
    a mark on a blob that is whole   goes
    a manifest with wrong bytes      loses them: it is unknown until it is pushed again
    what a manifest refers to        is linked again where its blob is whole
    a tag without its manifest       gets it back from quarantine
    bytes that nothing refers to     go once they are too old to be a push under way
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import structlog
from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.errors import DomainError, NotFound
from cloudly_kit.ids import new_id
from cloudly_kit.objects import ObjectStore
from cloudly_kit.store import Session, now

from cloudly_registry.cleanup import Cleanup
from cloudly_registry.collection_report import Tell
from cloudly_registry.documents import Blob, Link, ManifestRow
from cloudly_registry.fsck_report import FsckReport
from cloudly_registry.fsck_store import FsckStore
from cloudly_registry.quarantine import Quarantine
from cloudly_registry.quarantine_store import Kind
from cloudly_registry.references import algorithm_of, digest_of, new_hash
from cloudly_registry.store import RegistryStore

log = structlog.get_logger()

DAMAGED = "registry/damaged/"


@dataclass(frozen=True)
class Fsck:
    """One run looks at everything."""

    store: RegistryStore
    objects: ObjectStore
    cleanup: Cleanup
    quarantine: Quarantine
    keep_damaged: timedelta

    async def run(self, tell: Tell, *, deep: bool = False, repair: bool = False) -> FsckReport:
        """Check. `deep` reads every blob, otherwise existence and size are compared; without `repair` nothing changes."""
        report = FsckReport(deep=deep, repair=repair)
        rows = FsckStore(self.store)
        await self._blobs(rows, report, tell)
        images = await rows.images()
        for number, (image_id, repository, is_copy) in enumerate(images):
            await tell(number, len(images), "repositories")
            await self._links(rows, image_id, repository, report)
            await self._manifests(rows, image_id, repository, report, is_copy=is_copy)
            await self._tags(rows, image_id, repository, report)
        await tell(len(images), len(images) + 1, "objects")
        await self._contents(rows, report)
        await self._orphans(report)
        if repair:
            await self._forget_damaged()
        log.info("registry.checked", **report.totals())
        return report

    # -- blobs ----------------------------------------------------------------------------------------------------

    async def _blobs(self, rows: FsckStore, report: FsckReport, tell: Tell) -> None:
        seen = 0
        async for blob in rows.blobs():
            seen += 1
            if report.deep or seen % 500 == 0:
                await tell(seen, 0, "blobs")
            report.check("blobs")
            fault, why = await self._fault(blob, report)
            if fault:
                again = await self.store.blob(blob.id)
                if again is not None and again.key == blob.key:
                    await self._lost(rows, blob, fault, why, report)
            elif blob.lost_since is not None:
                repaired = "the mark was taken away" if report.repair and await self.store.mark_blob(blob, None) else ""
                report.add("blob marked in vain", blob.id, "it is whole", repaired=repaired)

    async def _fault(self, blob: Blob, report: FsckReport) -> tuple[str, str]:
        found = await self.objects.stat(blob.key)
        if found is None:
            return "blob missing", f"there is no object {blob.key}"
        if found.size != blob.size:
            return "blob damaged", f"{found.size} bytes instead of {blob.size}"
        if not report.deep:
            return "", ""
        hasher = new_hash(algorithm_of(blob.id))
        try:
            async for piece in self.objects.get(blob.key):
                await asyncio.to_thread(hasher.update, piece)
                report.read_bytes += len(piece)
        except NotFound:
            return "blob missing", f"there is no object {blob.key}"
        if hasher.hexdigest() != blob.id.partition(":")[2]:
            return "blob damaged", "its bytes have another digest"
        return "", ""

    async def _lost(self, rows: FsckStore, blob: Blob, fault: str, why: str, report: FsckReport) -> None:
        repositories, tags = await rows.affected(blob.id)
        repaired = ""
        if report.repair and await self.store.mark_blob(blob, blob.lost_since or now()):
            repaired = "marked: push it again"
            crashpoint("registry.fsck.after_mark")
            if fault == "blob damaged":
                aside = f"{DAMAGED}{blob.id.replace(':', '-')}/{new_id()}"
                await self.objects.put(aside, self.objects.get(blob.key))
                await self.objects.delete(blob.key)
                repaired = f"marked: push it again; the damaged bytes are in {aside}"
        report.add(fault, blob.id, why, repaired=repaired, repositories=repositories, tags=tags)

    # -- a repository ---------------------------------------------------------------------------------------------

    async def _links(self, rows: FsckStore, image_id: str, repository: str, report: FsckReport) -> None:
        async for link, blob in rows.links(image_id):
            report.check("links")
            if blob is not None:
                if report.repair and blob.lost_since is None and (link.key != blob.key or link.lost_since is not None):
                    await self._relink(image_id, blob.id)  # the blob was stored anew by another repository's push
                continue
            if await self.store.link(image_id, link.digest) is None or await self.store.blob(link.digest) is not None:
                continue
            repaired = "the record was made again" if report.repair and await self._recorded(link) else ""
            tags = await rows.tags_above(image_id, [link.digest])
            why = "the repository has it, but nobody knows where it is"
            report.add(
                "blob without a record", link.digest, why, repaired=repaired, repositories=[repository], tags=tags
            )

    async def _recorded(self, link: Link) -> bool:
        found = await self.objects.stat(link.key)
        whole = found is not None and found.size == link.size
        blob = Blob(id=link.digest, key=link.key, size=link.size, create_time=now())
        blob.lost_since = None if whole else now()

        async def work(session: Session) -> bool:
            held = await self.store.link(link.image_id, link.digest, session)
            if held is None or await self.store.blob(link.digest, session) is not None:
                return False
            await self.store.put_blob(blob, session)
            await self.store.put_link(link.image_id, blob, session)
            return True

        return await self.store.transaction(work)

    async def _relink(self, image_id: str, digest: str) -> bool:
        """Let a repository read a blob that is there and whole; whether it is."""

        async def work(session: Session) -> bool:
            blob = await self.store.blob(digest, session)
            if blob is None or blob.lost_since is not None:
                return False
            await self.store.put_blob(blob, session)
            await self.store.put_link(image_id, blob, session)
            return True

        return await self.store.transaction(work)

    async def _manifests(
        self, rows: FsckStore, image_id: str, repository: str, report: FsckReport, *, is_copy: bool
    ) -> None:
        async for row in rows.manifests(image_id):
            report.check("manifests")
            body = await self.store.content(row.digest)
            right = body is not None and digest_of(body, algorithm_of(row.digest)) == row.digest
            # What a copy of an external registry's repository does not have yet is fetched when it is asked for.
            unknown = [] if is_copy else await rows.unknown(image_id, row.references)
            if right and not unknown:
                continue
            # What a manifest needs goes after it.
            if await self.store.manifest(image_id, row.digest) is None:
                continue
            tags = await rows.tags_above(image_id, [row.digest])
            if not right:
                fault = "manifest missing" if body is None else "manifest damaged"
                if body is not None and report.repair:
                    await rows.drop_damaged_content(row.digest, body)
                repaired = "its bytes were dropped: push it again" if body is not None and report.repair else ""
                why = "its bytes are not there" if body is None else "its bytes have another digest"
                report.add(fault, row.digest, why, repaired=repaired, repositories=[repository], tags=tags)
            for digest in unknown:
                await self._reference(image_id, repository, row, digest, tags, report)

    async def _reference(
        self, image_id: str, repository: str, row: ManifestRow, digest: str, tags: list[str], report: FsckReport
    ) -> None:
        if await self.store.quarantine.newest(image_id, Kind.MANIFEST, digest) is not None:
            return  # somebody deleted a part of an index, and can bring it back
        repaired = "it was linked again" if report.repair and await self._relink(image_id, digest) else ""
        why = f"the manifest {row.digest} refers to it, but the repository does not have it"
        report.add("reference missing", digest, why, repaired=repaired, repositories=[repository], tags=tags)

    async def _tags(self, rows: FsckStore, image_id: str, repository: str, report: FsckReport) -> None:
        async for tag in rows.tags(image_id):
            report.check("tags")
            digest = tag.version.digest
            if await self.store.manifest(image_id, digest) is not None:
                continue
            again = await self.store.tag(image_id, tag.version.tag)
            if again is None or again.version.digest != digest:
                continue
            repaired = ""
            if report.repair:
                try:
                    await self.quarantine.restore(image_id, digest)
                    repaired = "the manifest came back from quarantine"
                except DomainError as error:
                    log.warning("registry.tag_without_manifest", image=image_id, digest=digest, error=error.message)
            name = f"{repository}:{tag.version.tag}"
            why = f"it points to {digest}, which the repository does not have"
            report.add("tag without manifest", name, why, repaired=repaired, repositories=[repository], tags=[name])

    # -- what nothing refers to -----------------------------------------------------------------------------------

    async def _contents(self, rows: FsckStore, report: FsckReport) -> None:
        async for digest in rows.content_digests():
            report.check("contents")
            if await rows.has_manifest(digest):
                continue
            # One transaction writes both, and one removes both: there is no moment at which only one is there.
            if report.repair:
                await self.store.transaction(partial(self.store.drop_content, digest))
            repaired = "removed" if report.repair else ""
            report.add("manifest that nobody has", digest, "no repository refers to its bytes", repaired=repaired)

    async def _orphans(self, report: FsckReport) -> None:
        async for found, orphan in self.cleanup.orphans():
            report.check("objects")
            if not orphan:
                continue
            if self.cleanup.is_recent(found.modified):
                report.young_orphans += 1
                continue
            if report.repair:
                await self.objects.delete(found.key)
            why = f"no blob has its {found.size} bytes"
            report.add("object that nobody has", found.key, why, repaired="removed" if report.repair else "")

    async def _forget_damaged(self) -> None:
        async for found in self.objects.list(DAMAGED):
            if found.modified < now() - self.keep_damaged:
                await self.objects.delete(found.key)
