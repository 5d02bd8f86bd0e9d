"""The garbage collector: takes what nothing needs, while pushes, pulls and deletes go on.

Nothing goes at once. What nothing points to is marked with the time; whoever asks for it, or pushes something that
needs it, takes the mark away. After the grace

    a manifest   moves into quarantine (quarantine.py), from where people, pushes and pins bring it back;
    a blob       leaves its repository, unless something in quarantine needs it;
    its bytes    go when no repository and nothing in quarantine has it.

Every step is one transaction that looks again at what it was decided by, so that it can be killed anywhere and run
beside anything, even beside itself; the lease only keeps two from doing the same work. The grace has to be longer than
a push takes between its first look at a blob and its manifest, and longer than a transaction lives.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import structlog
from cloudly_kit.audit.journal import Journal
from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.errors import AlreadyExists, FailedPrecondition, NotFound
from cloudly_kit.objects import ObjectStore
from cloudly_kit.store import Session, now

from cloudly_registry.collection_report import CollectionReport, Tell
from cloudly_registry.collector_audit import Removal, Removals
from cloudly_registry.collector_store import CollectorStore, Graph
from cloudly_registry.documents import Blob, ImageDocument, Link
from cloudly_registry.errors import ManifestUnknown
from cloudly_registry.manifests import Manifests
from cloudly_registry.marking import in_use, outermost_first
from cloudly_registry.pins import Pins
from cloudly_registry.quarantine import UNUSED, Quarantine
from cloudly_registry.quarantine_store import Held, Kind
from cloudly_registry.retention import Tagged
from cloudly_registry.store import RegistryStore

log = structlog.get_logger()

COLLECTOR = "garbage collector"
_MARKINGS = 5
"""How often a repository is marked anew when pushes get in between; then it waits for the next run."""
_BATCH = 50
_POSTPONED = timedelta(days=1)


@dataclass(frozen=True)
class Collector:
    """One run of it looks at everything."""

    store: RegistryStore
    objects: ObjectStore
    manifests: Manifests
    quarantine: Quarantine
    pins: Pins
    grace: timedelta
    journal: Journal

    async def run(self, tell: Tell, *, dry_run: bool = False) -> CollectionReport:
        """Collect. A dry run changes nothing and reports what a run would do now."""
        removals = Removals(self.journal)
        report = CollectionReport(dry_run, removals)
        rows = CollectorStore(self.store)
        try:
            await self._expire(rows, report)
            pinned = await rows.pinned()
            images = await rows.image_ids()
            for number, image_id in enumerate(images):
                await tell(number, len(images), "repositories")
                await self._repository(rows, image_id, pinned, report)
            await tell(len(images), len(images) + 1, "blobs")
            await self._blobs(rows, report, tell)
        finally:
            await removals.tell()
        log.info("registry.collected", **report.totals())
        return report

    # -- one repository -------------------------------------------------------------------------------------------

    async def _repository(
        self, rows: CollectorStore, image_id: str, pinned: set[str], report: CollectionReport
    ) -> None:
        image = await self.store.images.find(image_id)
        if image is None:
            return
        for gone in await rows.outdated(image_id, image.retention, pinned):
            if report.dry_run or await self._take_tag(image_id, gone.version, gone.reason):
                await report.add(Removal("tag", image_id, image.repository, gone.version.tag, gone.reason))
        for _ in range(_MARKINGS):
            image = await self.store.images.find(image_id)
            if image is None:
                return
            graph = await rows.graph(image_id)
            roots = {tag.version.digest async for tag in rows.tags(image_id)} | pinned
            used = in_use(graph.nodes, roots)
            if await self._manifests(rows, image, graph, used, report):
                break
        await self._links(rows, image, graph, report)

    async def _take_tag(self, image_id: str, version: Tagged, reason: str) -> bool:
        async def work(session: Session) -> bool:
            tag = await self.store.tag(image_id, version.tag, session)
            if tag is None or tag.version.digest != version.digest or tag.version.push_time != version.push_time:
                return False
            await self.manifests.take_tag(image_id, version.tag, reason, COLLECTOR, session)
            return True

        taken = await self.store.transaction(work)
        crashpoint("registry.collect.after_tag")
        return taken

    async def _manifests(
        self, rows: CollectorStore, image: ImageDocument, graph: Graph, used: Iterable[str], report: CollectionReport
    ) -> bool:
        """Mark what is unused and take what has been for long enough; False when a push got in between."""
        used = set(used)
        unused = outermost_first(graph.nodes, graph.nodes.keys() - used)
        if not report.dry_run:
            for digest in used & graph.unused_since.keys():
                await self.store.use("manifests", f"{image.id}/{digest}")
            fresh = [f"{image.id}/{digest}" for digest in unused if digest not in graph.unused_since]
            await rows.set_unused("manifests", fresh, now())
            crashpoint("registry.collect.after_mark")
        # An index that stays for now keeps its parts, however long they were unused: whoever reads it reads them next.
        kept: set[str] = set()
        for digest in unused:
            since = graph.unused_since.get(digest)
            if since is None or since > now() - self.grace or digest in kept:
                kept.update(graph.nodes[digest].children)
                report.wait("manifest", graph.sizes[digest])
                continue
            if not report.dry_run:
                taken = await self._take_manifest(image, digest)
                if taken is None:
                    return False
                image = taken
                crashpoint("registry.collect.after_manifest")
            why = f"unused since {since:%Y-%m-%d %H:%M}"
            await report.add(Removal("manifest", image.id, image.repository, digest, why))
        return True

    async def _take_manifest(self, image: ImageDocument, digest: str) -> ImageDocument | None:
        """Move it into quarantine if the repository is as it was when it was marked; the repository then."""

        async def work(session: Session) -> ImageDocument | None:
            found = await self.store.images.find(image.id, session=session)
            if found is None or found.etag != image.etag:
                return None
            return await self.manifests.take_manifest(image.id, digest, UNUSED, COLLECTOR, session)

        if await self.pins.holder([digest]):
            return None
        try:
            taken = await self.store.transaction(work)
        except ManifestUnknown:
            return None
        if taken is not None:
            await self.manifests.forget(image.id, digest)
            if await self.pins.holder([digest]):
                await self.quarantine.revive_pinned([digest])
                return None
        return taken

    async def _links(self, rows: CollectorStore, image: ImageDocument, graph: Graph, report: CollectionReport) -> None:
        fresh: list[str] = []
        old: list[Link] = []
        async for link in rows.links(image.id):
            if link.digest in graph.blobs:
                if link.unused_since is not None and not report.dry_run:
                    await self.store.use("links", link.id)
            elif link.unused_since is None:
                fresh.append(link.id)
                report.wait("blob", link.size)
            elif link.unused_since > now() - self.grace:
                report.wait("blob", link.size)
            elif not await self.store.quarantine.refers_to(link.digest, image.id):
                old.append(link)
        if not report.dry_run:
            await rows.set_unused("links", fresh, now())
        for first in range(0, len(old), _BATCH):
            gone = old[first : first + _BATCH]
            if not report.dry_run:
                gone = await self._unlink(image.id, gone)
                crashpoint("registry.collect.after_links")
            for link in gone:
                await report.add(Removal("link", image.id, image.repository, link.digest, "no manifest refers to it"))

    async def _unlink(self, image_id: str, links: Iterable[Link]) -> list[Link]:
        async def work(session: Session) -> list[Link]:
            image = await self.store.images.find(image_id, session=session)
            if image is None:
                return []
            gone = []
            for link in links:
                found = await self.store.link(image_id, link.digest, session)
                if found is None or found.unused_since != link.unused_since:
                    continue
                if await self.store.refers_to(image_id, link.digest, session):
                    continue
                if await self.store.quarantine.refers_to(link.digest, image_id, session):
                    continue
                await self.store.delete_link(image_id, link.digest, session)
                gone.append(link)
            if gone:
                # Written so that it meets a manifest that is being pushed in another transaction.
                await self.store.images.replace(image, session=session)
            return gone

        return await self.store.transaction(work)

    # -- bytes ----------------------------------------------------------------------------------------------------

    async def _blobs(self, rows: CollectorStore, report: CollectionReport, tell: Tell) -> None:
        seen = 0
        async for blob in rows.blobs():
            seen += 1
            if seen % 500 == 0:
                await tell(seen, 0, "blobs")
            if await rows.is_linked(blob.id):
                continue
            if not report.dry_run and not await self._delete_blob(rows, blob):
                continue
            await report.add(Removal("blob", "", "", blob.id, "no repository has it", blob.size))

    async def _delete_blob(self, rows: CollectorStore, blob: Blob) -> bool:
        async def work(session: Session) -> bool:
            found = await self.store.blob(blob.id, session)
            if found is None or found.key != blob.key or await rows.is_linked(blob.id, session):
                return False
            await rows.delete_blob(blob.id, session)
            return True

        if not await self.store.transaction(work):
            return False
        # From here on a push of the same bytes makes a blob of its own object; a crash leaves one for upload-cleanup.
        crashpoint("registry.collect.after_blob")
        await self.objects.delete(blob.key)
        return True

    # -- quarantine -----------------------------------------------------------------------------------------------

    async def _expire(self, rows: CollectorStore, report: CollectionReport) -> None:
        """Let go what has been kept for long enough, unless a cluster needs it by now."""
        while batch := await self.store.quarantine.expired(now(), _BATCH):
            for held in sorted(batch, key=lambda held: held.image_id):
                why = f"deleted {held.delete_time:%Y-%m-%d %H:%M} ({held.reason})"
                if report.dry_run or await self._let_go(rows, held):
                    what = f"quarantined {held.kind.value}"
                    await report.add(Removal(what, held.image_id, "", held.reference, why))
            crashpoint("registry.collect.after_expire")
            if report.dry_run:
                break

    async def _let_go(self, rows: CollectorStore, held: Held) -> bool:
        needed = await self._needed(held)
        if needed and held.kind is Kind.MANIFEST:
            try:
                await self.quarantine.restore(held.image_id, held.digest)
                return False
            except (NotFound, AlreadyExists, FailedPrecondition) as error:
                log.warning("registry.pinned_kept", image=held.image_id, digest=held.digest, error=error.message)
        if needed:
            await self.store.quarantine.postpone(held, now() + _POSTPONED)
            return False
        if held.kind is Kind.IMAGE:
            if await self.store.images.find(held.image_id) is None:
                await rows.purge(held.image_id)
            await self.store.quarantine.remove(held)
            return True

        async def work(session: Session) -> bool:
            gone = await self.store.quarantine.remove(held, session)
            if gone and held.kind is Kind.MANIFEST:
                await self.store.drop_content(held.digest, session)
            return gone

        return await self.store.transaction(work)

    async def _needed(self, held: Held) -> str:
        if held.kind is Kind.IMAGE:
            return await self.pins.holder(await self.store.manifest_digests(held.image_id))
        return await self.pins.holder([held.digest]) if held.kind is Kind.MANIFEST else ""
