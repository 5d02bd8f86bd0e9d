"""The collections of the registry, and everything that is asked of Mongo.

    images      one document a repository, with its newest versions (watched, listed, what people see)
    pins        per cluster, the digests that must stay
    blobs       digest -> object in the store and size; shared by all repositories
    links       <image>/<digest>: the repository may read the blob
    manifests   <image>/<digest>: the repository has the manifest; what it refers to
    contents    digest -> the bytes of a manifest; shared by all repositories
    tags        <image>/<tag> -> digest, with what a version says
    quarantine  what was deleted and can be brought back (quarantine_store.py)

`documents.py` says what lies in each.
"""

import time
from collections.abc import Awaitable, Callable, Container, Iterable
from datetime import datetime
from typing import Any, TypeVar

from cloudly_kit.errors import Conflict
from cloudly_kit.ids import new_etag
from cloudly_kit.store import Collection, Database, Index, Session, below, known_ids, write_rows

from cloudly_registry.documents import (
    Blob,
    ImageDocument,
    Link,
    ManifestRow,
    PinDocument,
    Row,
    TagRow,
    Version,
)
from cloudly_registry.quarantine_store import QuarantineStore

T = TypeVar("T")

_BATCH = 100
_PATIENCE_SECONDS = 75.0


class RegistryStore:
    """All collections of the service."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.images = Collection(
            database,
            "images",
            ImageDocument,
            kind="image",
            indexes=[Index("scope", "repository", unique=True), Index("scope", "name", unique=True)],
            orderable=["name", "repository", "create_time", "update_time"],
            filterable=["name", "repository", "workload_id"],
        )
        self.pins = Collection(database, "pins", PinDocument, kind="pins", indexes=[Index("scope", "digests")])
        self.quarantine = QuarantineStore(database)

    async def ensure(self) -> None:
        """Make the indexes."""
        for collection in (self.images, self.pins):
            await collection.ensure()
        await self.quarantine.ensure()
        # Of versions that kept uploads here (docs/decisions/0060), and that did not find links by their ids.
        await self.database.raw("uploads").drop()
        if "image_id_1_digest_1" in await self.database.raw("links").index_information():
            await self.database.raw("links").drop_index("image_id_1_digest_1")
        for name, fields in (
            ("blobs", ["key"]),
            ("links", ["digest"]),
            ("manifests", ["image_id", "references"]),
            ("manifests", ["image_id", "subject", "_id"]),
            ("manifests", ["image_id", "push_time", "_id"]),
            ("manifests", ["digest"]),
            ("tags", ["image_id", "_id"]),
            ("tags", ["image_id", "version.digest"]),
            ("tags", ["image_id", "version.push_time", "_id"]),
        ):
            await self.database.raw(name).create_index([(field, 1) for field in fields])

    async def transaction(self, work: Callable[[Session], Awaitable[T]]) -> T:
        """Run a transaction as the kit does, and wait out one whose process died in the middle of it.

        Servers hold what such a transaction has written until they end it, after a minute by default; a client that
        pushes again right after a crash had better wait than fail.

        Raises:
            Conflict: others got in between for longer than that.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                return await self.database.transaction(work)
            except Conflict:
                if time.monotonic() > deadline:
                    raise

    # -- images ---------------------------------------------------------------------------------------------------

    async def image_of(self, repository: str) -> ImageDocument | None:
        """The record of a repository."""
        return await self.images.find_one(scope="-", repository=repository)

    async def repositories_after(self, last: str, limit: int) -> list[str]:
        """Names of repositories in ASCII order."""
        query = {"scope": "-", "live": True, "repository": {"$gt": last}}
        cursor = self.database.raw("images").find(query, {"repository": 1}).sort("repository", 1).limit(limit)
        return [row["repository"] async for row in cursor]

    # -- pins -----------------------------------------------------------------------------------------------------

    async def pinned_by(self, digests: Iterable[str]) -> str:
        """The id of a cluster that pins one of these digests; empty when none does."""
        waiting = list(digests)
        for first in range(0, len(waiting), _BATCH):
            found = await self.pins.find_one(scope="-", digests={"$in": waiting[first : first + _BATCH]})
            if found is not None:
                return found.id
        return ""

    # -- blobs and links ------------------------------------------------------------------------------------------

    async def blob(self, digest: str, session: Session | None = None) -> Blob | None:
        """Where a blob is."""
        raw = await self._find("blobs", digest, session)
        return None if raw is None else Blob.model_validate(raw)

    async def blob_of_object(self, key: str) -> Blob | None:
        """The blob whose bytes are the object `key`."""
        raw = await self.database.raw("blobs").find_one({"key": key})
        return None if raw is None else Blob.model_validate(raw)

    async def blob_of_upload(self, key: str) -> Blob | None:
        """The blob whose bytes came by the upload with this key."""
        raw = await self.database.raw("blobs").find_one({"key": key})
        raw = raw or await self.database.raw("blobs").find_one({"key": below(key)})
        return None if raw is None else Blob.model_validate(raw)

    async def mark_blob(self, blob: Blob, lost_since: datetime | None) -> bool:
        """Write down that a blob's bytes are lost, or are not; False when it was stored anew meanwhile."""

        async def work(session: Session) -> bool:
            found = await self.blob(blob.id, session)
            if found is None or found.key != blob.key:
                return False
            await self.put_blob(found.model_copy(update={"lost_since": lost_since}), session)
            changed = {"$set": {"lost_since": lost_since}}
            await self.database.raw("links").update_many({"digest": blob.id}, changed, session=session.raw)
            return True

        return await self.transaction(work)

    async def blobs(self, digests: Iterable[str], session: Session) -> dict[str, Blob]:
        """Those of these blobs that are known, by digest."""
        rows = self.database.raw("blobs").find({"_id": {"$in": list(digests)}}, session=session.raw)
        return {raw["_id"]: Blob.model_validate(raw) for raw in await rows.to_list(None)}

    async def write_blobs(
        self,
        blobs: Iterable[Blob],
        links: Iterable[tuple[str, Blob]],
        session: Session,
        *,
        known: Container[str],
        linked: Container[str],
    ) -> None:
        """Store blobs and their links into images, given as (image id, blob), in few round trips.

        `known` are the digests of those that are stored already, `linked` those that may have links already.
        """
        touched = [blob.model_copy(update={"touch": new_etag()}).model_dump(by_alias=True) for blob in blobs]
        await write_rows(self.database.raw("blobs"), touched, session, known=known)
        rows = [_link(image_id, blob).model_dump(by_alias=True) for image_id, blob in links]
        asked = [row["_id"] for row in rows if row["digest"] in linked]
        await write_rows(
            self.database.raw("links"), rows, session, known=await known_ids(self.database.raw("links"), asked, session)
        )

    async def put_blob(self, blob: Blob, session: Session) -> None:
        """Store or replace, so that it meets a collector that is deleting it."""
        await self._put("blobs", blob.model_copy(update={"touch": new_etag()}), session)

    async def link(self, image_id: str, digest: str, session: Session | None = None) -> Link | None:
        """The link of a blob into a repository."""
        raw = await self._find("links", f"{image_id}/{digest}", session)
        return None if raw is None else Link.model_validate(raw)

    async def links_by_id(self, ids: Iterable[str]) -> dict[str, Link]:
        """Those of these links (`<image>/<digest>`) that there are."""
        rows = self.database.raw("links").find({"_id": {"$in": list(ids)}})
        return {raw["_id"]: Link.model_validate(raw) for raw in await rows.to_list(None)}

    async def put_link(self, image_id: str, blob: Blob, session: Session) -> None:
        """Let a repository read a blob."""
        await self._put("links", _link(image_id, blob), session)

    async def delete_link(self, image_id: str, digest: str, session: Session) -> None:
        """Take a blob out of a repository."""
        await self.database.raw("links").delete_one({"_id": f"{image_id}/{digest}"}, session=session.raw)

    async def holder_of(self, digest: str) -> str:
        """The id of any image that has this blob; empty when none has."""
        raw = await self.database.raw("links").find_one({"digest": digest}, {"image_id": 1})
        return "" if raw is None else str(raw["image_id"])

    async def missing(self, collection: str, image_id: str, digests: Iterable[str], session: Session) -> list[str]:
        """Which of these digests have no row in `links` or `manifests` of the repository, or have lost their bytes."""
        wanted = list(dict.fromkeys(digests))
        found: set[str] = set()
        for first in range(0, len(wanted), _BATCH):
            ids = [f"{image_id}/{digest}" for digest in wanted[first : first + _BATCH]]
            fields = {"digest": 1, "unused_since": 1, "lost_since": 1}
            async for row in self.database.raw(collection).find({"_id": {"$in": ids}}, fields, session=session.raw):
                if row.get("lost_since") is not None:
                    continue
                # Written, so that it meets a collector that is about to take it.
                if row.get("unused_since") is None or await self.use(collection, row["_id"], session):
                    found.add(row["digest"])
        return [digest for digest in wanted if digest not in found]

    async def use(self, collection: str, id: str, session: Session | None = None) -> bool:
        """Set back since when a link or manifest is unused; False when the collector was faster and it is gone."""
        changed = {"$set": {"unused_since": None}}
        written = await self.database.raw(collection).update_one({"_id": id}, changed, session=_driver(session))
        return written.matched_count > 0

    # -- manifests ------------------------------------------------------------------------------------------------

    async def manifest(self, image_id: str, digest: str, session: Session | None = None) -> ManifestRow | None:
        """A manifest of a repository, without its bytes."""
        raw = await self._find("manifests", f"{image_id}/{digest}", session)
        return None if raw is None else ManifestRow.of(raw)

    async def manifests(self, image_id: str, digests: Iterable[str], session: Session) -> list[ManifestRow]:
        """Those of these manifests that the repository has."""
        ids = [f"{image_id}/{digest}" for digest in digests]
        rows = self.database.raw("manifests").find({"_id": {"$in": ids}}, session=session.raw)
        return [ManifestRow.of(raw) async for raw in rows]

    async def put_manifest(self, row: ManifestRow, body: bytes, session: Session) -> None:
        """Store a manifest and its bytes."""
        await self.bring_manifest(row, session)
        # New each time: the database takes a row replaced by itself for no write, and whoever deletes it would not meet us.
        content = {"_id": row.digest, "body": body, "touch": new_etag()}
        await self.database.raw("contents").replace_one({"_id": row.digest}, content, upsert=True, session=session.raw)

    async def bring_manifest(self, row: ManifestRow, session: Session) -> None:
        """Store a manifest whose bytes are here."""
        await self.database.raw("manifests").replace_one(
            {"_id": row.id}, row.stored(), upsert=True, session=session.raw
        )

    async def delete_manifest(self, image_id: str, digest: str, session: Session) -> None:
        """Remove a manifest, and its bytes when no other repository has it and it is not kept in quarantine."""
        await self.database.raw("manifests").delete_one({"_id": f"{image_id}/{digest}"}, session=session.raw)
        await self.drop_content(digest, session)

    async def drop_content(self, digest: str, session: Session) -> None:
        """Remove the bytes of a manifest when nobody has it."""
        if await self.database.raw("manifests").find_one({"digest": digest}, {"_id": 1}, session=session.raw):
            return
        if not await self.quarantine.holds_content(digest, session):
            await self.database.raw("contents").delete_one({"_id": digest}, session=session.raw)

    async def content(self, digest: str, session: Session | None = None) -> bytes | None:
        """The bytes of a manifest."""
        raw = await self._find("contents", digest, session)
        return None if raw is None else bytes(raw["body"])

    async def refers_to(self, image_id: str, digest: str, session: Session | None = None) -> str:
        """The digest of a manifest of the repository that refers to `digest`; empty when none does."""
        query = {"image_id": image_id, "references": digest}
        raw = await self.database.raw("manifests").find_one(query, {"digest": 1}, session=_driver(session))
        return "" if raw is None else str(raw["digest"])

    async def referring(self, image_id: str, digest: str) -> list[str]:
        """The digests of all manifests of the repository that refer to `digest`."""
        query = {"image_id": image_id, "references": digest}
        return [row["digest"] async for row in self.database.raw("manifests").find(query, {"digest": 1})]

    async def referred_to(self, image_id: str, digests: Iterable[str], session: Session | None = None) -> set[str]:
        """Those of these digests that some manifest of the repository refers to.

        Mostly one earlier version refers to all that are known, and none to the others: that takes two round trips.
        """
        waiting = set(digests)
        found: set[str] = set()
        rows = self.database.raw("manifests")
        while waiting:
            asked = list(waiting)[:_BATCH]
            query = {"image_id": image_id, "references": {"$in": asked}}
            raw = await rows.find_one(query, {"references": 1}, session=_driver(session))
            known = waiting.intersection(raw["references"]) if raw else set()
            found |= known
            waiting -= known or set(asked)
        return found

    async def referrers(self, image_id: str, subject: str, last: str, limit: int) -> list[ManifestRow]:
        """Manifests whose subject is `subject`, by digest, after the digest `last`."""
        query = {"image_id": image_id, "subject": subject, "_id": {"$gt": f"{image_id}/{last}"}}
        rows = self.database.raw("manifests").find(query).sort("_id", 1).limit(limit)
        return [ManifestRow.of(raw) async for raw in rows]

    async def manifest_digests(self, image_id: str) -> list[str]:
        """All manifests of a repository."""
        rows = self.database.raw("manifests").find({"image_id": image_id}, {"digest": 1})
        return [row["digest"] async for row in rows]

    # -- tags -----------------------------------------------------------------------------------------------------

    async def tag(self, image_id: str, tag: str, session: Session | None = None) -> TagRow | None:
        """What a tag points to."""
        raw = await self._find("tags", f"{image_id}/{tag}", session)
        return None if raw is None else TagRow.model_validate(raw)

    async def tags_by_id(self, ids: Iterable[str]) -> dict[str, TagRow]:
        """Those of these tags (`<image>/<tag>`) that there are."""
        rows = self.database.raw("tags").find({"_id": {"$in": list(ids)}})
        return {raw["_id"]: TagRow.model_validate(raw) for raw in await rows.to_list(None)}

    async def tags_after(self, image_id: str, last: str, limit: int) -> list[str]:
        """Tags in ASCII order."""
        query = {"image_id": image_id, "_id": {"$gt": f"{image_id}/{last}"}}
        rows = self.database.raw("tags").find(query, {"_id": 1}).sort("_id", 1).limit(limit)
        return [row["_id"].partition("/")[2] async for row in rows]

    async def tags_of(self, image_id: str, digest: str, session: Session) -> list[TagRow]:
        """Tags that point to a manifest."""
        query = {"image_id": image_id, "version.digest": digest}
        return [TagRow.model_validate(r) async for r in self.database.raw("tags").find(query, session=session.raw)]

    async def versions(self, image_id: str, session: Session) -> list[Version]:
        """All versions of a repository, newest first."""
        rows = self.database.raw("tags").find({"image_id": image_id}, session=session.raw)
        found = [TagRow.model_validate(raw).version async for raw in rows]
        return sorted(found, key=lambda version: version.push_time, reverse=True)

    async def put_tag(self, image_id: str, version: Version, session: Session) -> None:
        """Point a tag to a manifest."""
        await self._put("tags", TagRow(id=f"{image_id}/{version.tag}", image_id=image_id, version=version), session)

    async def delete_tag(self, image_id: str, tag: str, session: Session) -> None:
        """Remove a tag."""
        await self.database.raw("tags").delete_one({"_id": f"{image_id}/{tag}"}, session=session.raw)

    async def _find(self, collection: str, id: str, session: Session | None = None) -> dict[str, Any] | None:
        return await self.database.raw(collection).find_one({"_id": id}, session=_driver(session))

    async def _put(self, collection: str, row: Row, session: Session) -> None:
        await self.database.raw(collection).replace_one(
            {"_id": row.id}, row.model_dump(by_alias=True), upsert=True, session=session.raw
        )


def _link(image_id: str, blob: Blob) -> Link:
    return Link(
        id=f"{image_id}/{blob.id}",
        image_id=image_id,
        digest=blob.id,
        key=blob.key,
        size=blob.size,
        lost_since=blob.lost_since,
    )


def _driver(session: Session | None) -> Any:
    return None if session is None else session.raw
