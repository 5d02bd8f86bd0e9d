"""What is asked of Mongo about versions: manifests by their push, with tags, parts and pins, a page at a time."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from cloudly_kit.store.filtering import Filters, add_condition
from cloudly_kit.store.paging import Order, Position

from cloudly_registry.documents import ManifestRow, TagRow, Version
from cloudly_registry.store import RegistryStore

_LITERAL = re.compile(r"[^*?\[]*")
FILTERS = Filters(
    ManifestRow,
    {
        **{name: name for name in ("digest", "media_type", "artifact_type", "subject", "platforms", "pushed_by")},
        "push_time": "push_time",
        "size_bytes": "total_bytes",
    },
)
ORDER = Order("push_time", descending=True)


@dataclass(frozen=True)
class Usage:
    """What the registry holds."""

    images: int
    versions: int
    image_bytes: int
    blobs: int
    blob_bytes: int
    quarantined: int


class VersionStore:
    """Everything that is asked."""

    def __init__(self, store: RegistryStore) -> None:
        self._database = store.database

    async def after(
        self, image_id: str, filtered: Mapping[str, Any], position: Position | None, limit: int
    ) -> list[ManifestRow]:
        """Manifests that a filter lets through, newest push first, after a position."""
        found: list[ManifestRow] = []
        for beyond in ORDER.after(position):
            if len(found) >= limit:
                break
            query: dict[str, Any] = {"image_id": image_id}
            for path, condition in [*beyond.items(), *filtered.items()]:
                add_condition(query, path, condition)
            rows = self._database.raw("manifests").find(query).sort(ORDER.sort).limit(limit - len(found))
            found += [ManifestRow.of(raw) async for raw in rows]
        return found

    async def manifests(self, image_id: str, digests: Iterable[str]) -> dict[str, ManifestRow]:
        """Those of these manifests that the repository has, by digest."""
        ids = [f"{image_id}/{digest}" for digest in digests]
        rows = self._database.raw("manifests").find({"_id": {"$in": ids}})
        return {row.digest: row for row in [ManifestRow.of(raw) async for raw in rows]}

    async def contents(self, digests: Iterable[str]) -> dict[str, bytes]:
        """The bytes of manifests by digest."""
        rows = self._database.raw("contents").find({"_id": {"$in": list(digests)}})
        return {row["_id"]: bytes(row["body"]) async for row in rows}

    async def tags(self, image_id: str, tags: Iterable[str]) -> list[Version]:
        """What these tags point to, where they are."""
        rows = self._database.raw("tags").find({"_id": {"$in": [f"{image_id}/{tag}" for tag in tags]}})
        return [TagRow.model_validate(raw).version async for raw in rows]

    async def tagged(self, image_id: str, pattern: str, most: int) -> set[str] | None:
        """The digests that tags which match a pattern point to; None where there are more than `most`."""
        prefix = f"{image_id}/" + _LITERAL.match(pattern)[0]  # type: ignore[index]  # it matches anything
        query = {"_id": {"$gte": prefix, "$lt": prefix + chr(0x7F)}}  # tags are ASCII
        found: set[str] = set()
        async for row in self._database.raw("tags").find(query, {"version.digest": 1}):
            if fnmatchcase(row["_id"].partition("/")[2], pattern):
                found.add(row["version"]["digest"])
                if len(found) > most:
                    return None
        return found

    async def tags_of(self, image_id: str, digests: Iterable[str]) -> dict[str, list[Version]]:
        """The tags that point to each of these manifests, the one that was moved last first."""
        query = {"image_id": image_id, "version.digest": {"$in": list(digests)}}
        found: dict[str, list[Version]] = {}
        async for raw in self._database.raw("tags").find(query):
            version = TagRow.model_validate(raw).version
            found.setdefault(version.digest, []).append(version)
        for tags in found.values():
            tags.sort(key=lambda version: (version.push_time, version.tag), reverse=True)
        return found

    async def indexes_of(self, image_id: str, digests: Iterable[str]) -> dict[str, list[str]]:
        """For each of these manifests that is a part of indexes, their digests."""
        wanted = set(digests)
        query = {"image_id": image_id, "references": {"$in": sorted(wanted)}}
        found: dict[str, list[str]] = {}
        async for row in self._database.raw("manifests").find(query, {"digest": 1, "references": 1}):
            for digest in wanted.intersection(row["references"]):
                found.setdefault(digest, []).append(row["digest"])
        return found

    async def pinned_by(self, digests: Iterable[str]) -> dict[str, list[str]]:
        """For each of these manifests that clusters need, the clusters' ids."""
        wanted = set(digests)
        query = {"scope": "-", "digests": {"$in": sorted(wanted)}, "live": True}
        found: dict[str, list[str]] = {}
        async for row in self._database.raw("pins").find(query, {"digests": 1}).sort("_id", 1):
            for digest in wanted.intersection(row["digests"]):
                found.setdefault(digest, []).append(row["_id"])
        return found

    async def usage(self) -> Usage:
        """Count everything; the server adds up, and no row travels."""
        images, versions, image_bytes = await self._added_up(
            "images", "version_count", "size_bytes", scope="-", live=True
        )
        blobs, blob_bytes = await self._added_up("blobs", "size")
        (quarantined,) = await self._added_up("quarantine")
        return Usage(images, versions, image_bytes, blobs, blob_bytes, quarantined)

    async def _added_up(self, collection: str, *fields: str, **equal: Any) -> list[int]:
        """How many rows there are, and the sum of each of these fields."""
        sums = {"count": {"$sum": 1}, **{field: {"$sum": f"${field}"} for field in fields}}
        pipeline = [{"$match": equal}, {"$group": {"_id": None, **sums}}]
        found = await self._database.raw(collection).aggregate(pipeline).to_list(1)
        return [found[0][name] if found else 0 for name in sums]
