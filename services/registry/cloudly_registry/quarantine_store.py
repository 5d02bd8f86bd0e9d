"""The `quarantine` collection: what was deleted and can still be brought back, as the rows that it was.

A row here is a reference like any other: blobs and manifests' bytes that it names stay until it expires.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any

from cloudly_kit.ids import new_id
from cloudly_kit.store import Database, Session
from pydantic import BaseModel, ConfigDict, Field

_BATCH = 100


class Kind(StrEnum):
    """What was deleted."""

    TAG = "tag"
    MANIFEST = "manifest"
    BLOB = "blob"
    IMAGE = "image"


class Held(BaseModel):
    """Something that was deleted."""

    model_config = ConfigDict(populate_by_name=True, extra="ignore")

    id: str = Field(default_factory=new_id, alias="_id")
    image_id: str
    kind: Kind
    reference: str
    """The tag, the digest, or the repository's name."""
    digest: str = ""
    """Of the manifest or blob; for a tag, what it pointed to."""
    subject: str = ""
    references: list[str] = []
    """Digests of blobs and manifests that stay because of this."""
    size: int = 0
    """Bytes of the thing itself, in an image with its layers."""
    reason: str = ""
    """`deleted`, `unused`, or which rule of retention."""
    deleted_by: str = ""
    delete_time: datetime
    expire_time: datetime
    rows: list[dict[str, Any]] = []
    """The rows as they were stored: the thing's own first, then tags that went with it."""

    @property
    def tags(self) -> list[str]:
        """The tags that went with it."""
        return [row["version"]["tag"] for row in self.rows[1:]]


class QuarantineStore:
    """Everything that is asked of the collection."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._raw = database.raw("quarantine")

    async def ensure(self) -> None:
        """Make the indexes."""
        for fields in (
            ["image_id", "kind", "delete_time", "_id"],
            ["image_id", "reference"],
            ["image_id", "subject"],
            ["image_id", "references"],
            ["references"],
            ["digest"],
            ["kind", "delete_time", "_id"],
            ["expire_time"],
        ):
            await self._raw.create_index([(field, 1) for field in fields])

    async def put(self, held: Held, session: Session) -> None:
        """Take something in."""
        await self._raw.insert_one(held.model_dump(by_alias=True), session=session.raw)

    async def remove(self, held: Held, session: Session | None = None) -> bool:
        """Let something go; False when it was not there any more."""
        result = await self._raw.delete_one({"_id": held.id}, session=_driver(session))
        return bool(result.deleted_count)

    async def find(self, id: str, session: Session | None = None) -> Held | None:
        """What is kept under this id."""
        raw = await self._raw.find_one({"_id": id}, session=_driver(session))
        return None if raw is None else Held.model_validate(raw)

    async def newest(self, image_id: str, kind: Kind, reference: str, session: Session | None = None) -> Held | None:
        """What was deleted last of this name in a repository."""
        query = {"image_id": image_id, "reference": reference}
        found = [Held.model_validate(raw) async for raw in self._raw.find(query, session=_driver(session))]
        return max((held for held in found if held.kind is kind), key=lambda held: held.delete_time, default=None)

    async def referrers(self, image_id: str, subject: str, session: Session) -> list[Held]:
        """Manifests that named `subject` as theirs."""
        query = {"image_id": image_id, "subject": subject}
        return [Held.model_validate(raw) async for raw in self._raw.find(query, session=session.raw)]

    async def manifests(self, digests: Iterable[str]) -> list[Held]:
        """Manifests of these digests, in whichever repositories."""
        waiting = list(digests)
        found = []
        for first in range(0, len(waiting), _BATCH):
            query = {"digest": {"$in": waiting[first : first + _BATCH]}}
            found += [Held.model_validate(raw) async for raw in self._raw.find(query)]
        return [held for held in found if held.kind is Kind.MANIFEST]

    async def holds_content(self, digest: str, session: Session | None = None) -> bool:
        """Whether a manifest of this digest is kept."""
        rows = self._raw.find({"digest": digest}, {"kind": 1}, session=_driver(session))
        return any([row["kind"] == Kind.MANIFEST async for row in rows])

    async def refers_to(self, digest: str, image_id: str = "", session: Session | None = None) -> bool:
        """Whether something that is kept (in the repository, or in any) needs the blob or manifest."""
        query: dict[str, Any] = {"references": digest}
        if image_id:
            query["image_id"] = image_id
        return await self._raw.find_one(query, {"_id": 1}, session=_driver(session)) is not None

    async def page(self, image_id: str, after: tuple[datetime, str] | None, limit: int) -> list[Held]:
        """What is kept of a repository, or of deleted repositories where the id is empty, newest first."""
        found: list[Held] = []
        kinds = (Kind.MANIFEST, Kind.TAG, Kind.BLOB) if image_id else (Kind.IMAGE,)
        for kind in kinds:
            query: dict[str, Any] = {"kind": kind.value}
            if image_id:
                query = {"image_id": image_id, **query}
            ranges: list[dict[str, Any]] = [{}]
            if after:
                ranges = [{"delete_time": after[0], "_id": {"$lt": after[1]}}, {"delete_time": {"$lt": after[0]}}]
            for beyond in ranges:
                cursor = self._raw.find({**query, **beyond}).sort([("delete_time", -1), ("_id", -1)]).limit(limit)
                found += [Held.model_validate(raw) async for raw in cursor]
        return sorted(found, key=lambda held: (held.delete_time, held.id), reverse=True)[:limit]

    async def expired(self, now: datetime, limit: int) -> list[Held]:
        """What has been kept long enough."""
        cursor = self._raw.find({"expire_time": {"$lt": now}}).limit(limit)
        return [Held.model_validate(raw) async for raw in cursor]

    async def postpone(self, held: Held, until: datetime) -> None:
        """Keep something longer."""
        await self._raw.update_one({"_id": held.id}, {"$set": {"expire_time": until}})

    async def of_image(self, image_id: str, session: Session | None = None) -> list[Held]:
        """Everything that is kept of a repository."""
        rows = self._raw.find({"image_id": image_id}, session=_driver(session))
        return [Held.model_validate(raw) async for raw in rows]

    async def tombstone(self, image_id: str, session: Session) -> str:
        """The etag of a deleted repository's record; empty when the database has removed it by now."""
        raw = await self._database.raw("images").find_one({"_id": image_id}, {"etag": 1}, session=session.raw)
        return str(raw["etag"]) if raw else ""

    async def forget_image(self, image_id: str) -> None:
        """Let everything of a repository go."""
        await self._raw.delete_many({"image_id": image_id})


def _driver(session: Session | None) -> Any:
    return None if session is None else session.raw
