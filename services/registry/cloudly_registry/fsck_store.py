"""What a check asks of Mongo: everything, in pages that outlive no cursor, and whom a fault hits."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from cloudly_kit.store import below

from cloudly_registry.documents import Blob, Link, ManifestRow, TagRow
from cloudly_registry.store import RegistryStore

_PAGE = 500
_NAMED = 20
"""So many repositories and tags are named for a fault."""


class FsckStore:
    """Everything that is asked."""

    def __init__(self, store: RegistryStore) -> None:
        self._store = store
        self._database = store.database

    async def blobs(self) -> AsyncIterator[Blob]:
        """All blobs, each as it was when its page was read; between two of them hours may pass."""
        async for raw in self._pages("blobs", {}, None):
            yield Blob.model_validate(raw)

    async def content_digests(self) -> AsyncIterator[str]:
        """The digests of all manifests' bytes."""
        async for raw in self._pages("contents", {}, {"_id": 1}):
            yield raw["_id"]

    async def images(self) -> list[tuple[str, str, bool]]:
        """Ids and names of all repositories, and which are copies of an external registry's."""
        fields = {"repository": 1, "external_registry_id": 1}
        rows = self._database.raw("images").find({"scope": "-", "live": True}, fields)
        return [(row["_id"], row["repository"], bool(row.get("external_registry_id"))) async for row in rows]

    async def links(self, image_id: str) -> AsyncIterator[tuple[Link, Blob | None]]:
        """All links of a repository, each with its blob."""
        batch: list[Link] = []
        async for raw in self._database.raw("links").find({"_id": below(image_id)}):
            batch.append(Link.model_validate(raw))
            if len(batch) == _PAGE:
                for pair in await self._with_blobs(batch):
                    yield pair
                batch = []
        for pair in await self._with_blobs(batch):
            yield pair

    async def manifests(self, image_id: str) -> AsyncIterator[ManifestRow]:
        """All manifests of a repository."""
        async for raw in self._database.raw("manifests").find({"image_id": image_id}):
            yield ManifestRow.of(raw)

    async def tags(self, image_id: str) -> AsyncIterator[TagRow]:
        """All tags of a repository."""
        async for raw in self._database.raw("tags").find({"image_id": image_id}):
            yield TagRow.model_validate(raw)

    async def unknown(self, image_id: str, digests: Sequence[str]) -> list[str]:
        """Which of these the repository has neither as a blob nor as a manifest, lost or not."""
        ids = [f"{image_id}/{digest}" for digest in digests]
        found: set[str] = set()
        for collection in ("links", "manifests"):
            rows = self._database.raw(collection).find({"_id": {"$in": ids}}, {"digest": 1})
            found |= {row["digest"] async for row in rows}
        return [digest for digest in digests if digest not in found]

    async def drop_damaged_content(self, digest: str, body: bytes) -> None:
        """Remove these bytes, so that a push of the manifest brings the right ones."""
        await self._database.raw("contents").delete_one({"_id": digest, "body": body})

    async def has_manifest(self, digest: str) -> bool:
        """Whether a repository, or the quarantine, has a manifest."""
        if await self._database.raw("manifests").find_one({"digest": digest}, {"_id": 1}):
            return True
        return await self._store.quarantine.holds_content(digest)

    async def affected(self, digest: str) -> tuple[list[str], list[str]]:
        """Repositories and tags (`<repository>:<tag>`) that need a blob, some of them."""
        repositories: list[str] = []
        tags: list[str] = []
        async for row in self._database.raw("links").find({"digest": digest}, {"image_id": 1}).limit(_NAMED):
            image = await self._store.images.find(row["image_id"])
            if image is not None:
                repositories.append(image.repository)
                tags += [f"{image.repository}:{tag}" for tag in await self.tags_above(image.id, [digest])]
        return repositories, tags[:_NAMED]

    async def tags_above(self, image_id: str, digests: Sequence[str]) -> list[str]:
        """Tags of a repository that point to these, or to what refers to them."""
        above = set(digests)
        fresh = list(above)
        while fresh:
            referring = self._database.raw("manifests").find(
                {"image_id": image_id, "references": {"$in": fresh}}, {"digest": 1}
            )
            fresh = [row["digest"] async for row in referring if row["digest"] not in above]
            above.update(fresh)
        query = {"image_id": image_id, "version.digest": {"$in": list(above)}}
        rows = self._database.raw("tags").find(query, {"version.tag": 1}).limit(_NAMED)
        return [row["version"]["tag"] async for row in rows]

    async def _with_blobs(self, links: Sequence[Link]) -> list[tuple[Link, Blob | None]]:
        rows = self._database.raw("blobs").find({"_id": {"$in": [link.digest for link in links]}})
        blobs = {raw["_id"]: Blob.model_validate(raw) async for raw in rows}
        return [(link, blobs.get(link.digest)) for link in links]

    async def _pages(
        self, collection: str, query: dict[str, Any], fields: dict[str, int] | None
    ) -> AsyncIterator[dict[str, Any]]:
        last = ""
        while True:
            rows = self._database.raw(collection).find({**query, "_id": {"$gt": last}}, fields).sort("_id", 1)
            page = await rows.limit(_PAGE).to_list(None)
            for raw in page:
                yield raw
            if len(page) < _PAGE:
                return
            last = page[-1]["_id"]
