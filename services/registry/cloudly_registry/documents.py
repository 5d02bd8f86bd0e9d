"""What the registry keeps in Mongo, as its store reads and writes it.

Documents are what people see, with an etag. Blobs to tags are rows: nobody watches or pages them, their ids say
everything, and they are gone when they are deleted. They belong to an image by its id, so nothing of a deleted
repository comes back in a new one.
"""

from datetime import datetime
from typing import Any

from cloudly_kit.store import Document
from pydantic import BaseModel, ConfigDict, Field

from cloudly_registry.retention import RetentionRule


class Version(BaseModel):
    """What a tag points to."""

    tag: str
    digest: str
    media_type: str
    size_bytes: int
    push_time: datetime
    pushed_by: str
    platforms: list[str] = []


class ImageDocument(Document):
    """A repository, as people see it."""

    name: str
    repository: str
    description: str = ""
    workload_id: str = ""
    public: bool = False
    """Anyone may pull."""
    versions: list[Version] = []
    """Newest first, at most 100."""
    version_count: int = 0
    size_bytes: int = 0
    """Of all its manifests and what they refer to, shared blobs counted once."""
    quota_bytes: int = 0
    """The most that `size_bytes` may become; 0 is no limit."""
    immutable_tags: list[str] = []
    """Patterns of tags that are never moved to another digest."""
    retention: list[RetentionRule] = []
    external_registry_id: str = ""
    """Set where it is a copy of what lies at an external registry."""


class PinDocument(Document):
    """What a cluster (its id is the document's) runs or could go back to."""

    digests: list[str] = []
    revision: int = 0


class Row(BaseModel):
    """The base of what is kept under an id that says everything."""

    model_config = ConfigDict(populate_by_name=True, extra="ignore")

    id: str = Field(alias="_id")


class Blob(Row):
    """The id is the digest."""

    key: str
    size: int
    create_time: datetime
    touch: str = ""
    """New each time that a repository links it: so whoever deletes it meanwhile meets that in the database."""
    lost_since: datetime | None = None
    """When a check found its bytes missing or wrong; a push of the same digest brings a blob without this."""


class Link(Row):
    """A blob in a repository; key and size as the blob's, so that a pull reads one row."""

    image_id: str
    digest: str
    key: str
    size: int
    unused_since: datetime | None = None
    """When the collector first saw that no manifest refers to it; whoever asks for the blob sets it back."""
    lost_since: datetime | None = None
    """The blob's; what is lost counts as missing when a manifest is pushed, so that its bytes come again."""


class ManifestRow(Row):
    """A manifest in a repository."""

    image_id: str
    digest: str
    media_type: str
    artifact_type: str
    """As the referrers API tells it: the manifest's, else its configuration's media type."""
    size: int
    """Of the manifest itself."""
    total_bytes: int
    """With configuration and layers, or with all manifests of an index."""
    references: list[str]
    subject: str = ""
    platforms: list[str] = []
    annotations: dict[str, str] = {}
    push_time: datetime | None = None
    """Of the last push; absent in rows that are older than this field."""
    pushed_by: str = ""
    unused_since: datetime | None = None
    """When the collector first saw that nothing points to it; a push of it sets it back."""

    def stored(self) -> dict[str, Any]:
        """As it lies in Mongo. Annotations' names may hold dots and dollars, which are operators in documents."""
        raw = self.model_dump(by_alias=True)
        raw["annotations"] = [[name, value] for name, value in self.annotations.items()]
        return raw

    @classmethod
    def of(cls, raw: dict[str, Any]) -> "ManifestRow":
        """As it was stored."""
        return cls.model_validate({**raw, "annotations": dict(raw["annotations"])})


class TagRow(Row):
    """A tag in a repository."""

    image_id: str
    version: Version
