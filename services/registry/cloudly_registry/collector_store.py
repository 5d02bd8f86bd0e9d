"""What the collector asks of Mongo: whole repositories and whole collections, by cursors, without their bytes."""

from collections.abc import AsyncIterator, Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cloudly_kit.store import Session, below, now

from cloudly_registry.documents import Blob, Link, TagRow
from cloudly_registry.marking import Node
from cloudly_registry.quarantine_store import Kind
from cloudly_registry.retention import Outdated, RetentionRule, Tagged, plan
from cloudly_registry.store import RegistryStore


@dataclass
class Graph:
    """The manifests of a repository; memory grows with their number, not with their bytes."""

    nodes: dict[str, Node] = field(default_factory=dict)
    unused_since: dict[str, datetime] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    """Bytes of the unused ones, with their layers."""
    blobs: set[str] = field(default_factory=set)
    """Everything they refer to that is no manifest here."""


class CollectorStore:
    """Everything that is asked."""

    def __init__(self, store: RegistryStore) -> None:
        self._store = store
        self._database = store.database

    async def image_ids(self) -> list[str]:
        """All repositories that are not deleted."""
        rows = self._database.raw("images").find({"scope": "-", "live": True}, {"_id": 1})
        return [row["_id"] async for row in rows]

    async def pinned(self) -> set[str]:
        """All digests that some cluster needs."""
        rows = self._database.raw("pins").find({"scope": "-", "live": True}, {"digests": 1})
        return {digest async for row in rows for digest in row["digests"]}

    async def tags(self, image_id: str) -> AsyncIterator[TagRow]:
        """All tags of a repository."""
        async for raw in self._database.raw("tags").find({"image_id": image_id}):
            yield TagRow.model_validate(raw)

    async def graph(self, image_id: str) -> Graph:
        """All manifests of a repository and how they hang together."""
        graph = Graph()
        known = {
            row["digest"] async for row in self._database.raw("manifests").find({"image_id": image_id}, {"digest": 1})
        }
        fields = {"digest": 1, "references": 1, "subject": 1, "unused_since": 1, "total_bytes": 1}
        async for row in self._database.raw("manifests").find({"image_id": image_id}, fields):
            children = tuple(digest for digest in row["references"] if digest in known)
            graph.nodes[row["digest"]] = Node(children, row["subject"])
            graph.blobs.update(digest for digest in row["references"] if digest not in known)
            graph.sizes[row["digest"]] = row["total_bytes"]
            if row.get("unused_since") is not None:
                graph.unused_since[row["digest"]] = row["unused_since"]
        return graph

    async def outdated(self, image_id: str, rules: Sequence[RetentionRule], pinned: AbstractSet[str]) -> list[Outdated]:
        """What rules of retention let go of a repository's tags now."""
        if not rules:
            return []
        nodes = (await self.graph(image_id)).nodes
        versions = []
        async for tag in self.tags(image_id):
            version = tag.version
            children = nodes[version.digest].children if version.digest in nodes else ()
            versions.append(Tagged(version.tag, version.digest, version.push_time, frozenset(children)))
        return plan(rules, versions, pinned, now())

    async def links(self, image_id: str) -> AsyncIterator[Link]:
        """All blobs of a repository."""
        async for raw in self._database.raw("links").find({"_id": below(image_id)}):
            yield Link.model_validate(raw)

    async def set_unused(self, collection: str, ids: Iterable[str], time: datetime) -> None:
        """Remember since when these links or manifests are unused, where that is not written yet."""
        for id in ids:
            unmarked = {"_id": id, "unused_since": None}
            await self._database.raw(collection).update_one(unmarked, {"$set": {"unused_since": time}})

    async def blobs(self) -> AsyncIterator[Blob]:
        """All blobs."""
        async for raw in self._database.raw("blobs").find({}):
            yield Blob.model_validate(raw)

    async def is_linked(self, digest: str, session: Session | None = None) -> bool:
        """Whether a repository has the blob, or had it and may have it again."""
        driver: Any = None if session is None else session.raw
        if await self._database.raw("links").find_one({"digest": digest}, {"_id": 1}, session=driver):
            return True
        return await self._store.quarantine.refers_to(digest, session=session)

    async def delete_blob(self, digest: str, session: Session) -> None:
        """Forget where a blob is."""
        await self._database.raw("blobs").delete_one({"_id": digest}, session=session.raw)

    async def deleted_images(self) -> list[str]:
        """Ids of images whose rows may still be there although nobody can bring them back."""
        rows = self._database.raw("images").find({"delete_time": {"$gt": datetime(2000, 1, 1, tzinfo=UTC)}}, {"_id": 1})
        deleted = [row["_id"] async for row in rows]
        return [
            id
            for id in deleted
            if not any(held.kind is Kind.IMAGE for held in await self._store.quarantine.of_image(id))
        ]

    async def purge(self, image_id: str) -> int:
        """Remove all rows of a repository that is gone; how many manifests there were. Can be repeated."""
        await self._store.quarantine.forget_image(image_id)
        digests = await self._store.manifest_digests(image_id)
        await self._database.raw("tags").delete_many({"image_id": image_id})
        for digest in digests:

            async def work(session: Session, digest: str = digest) -> None:
                await self._store.delete_manifest(image_id, digest, session)

            await self._store.transaction(work)
        await self._database.raw("links").delete_many({"_id": below(image_id)})
        return len(digests)
