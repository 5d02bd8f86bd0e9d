"""What is stored: the fields that every document has, and its way into BSON and back."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from cloudly_kit.ids import new_etag, new_id

NO_SCOPE = "-"
"""The scope of documents without a parent."""

D = TypeVar("D", bound="Document")

_DOT = "\uff0e"
"""Stands for the dot in the keys of labels, since a dot in a query means one level down."""


def now() -> datetime:
    """The time in UTC, cut to milliseconds as the database keeps it."""
    return milliseconds(datetime.now(UTC))


def milliseconds(time: datetime) -> datetime:
    """The time cut to what BSON can hold."""
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


class Document(BaseModel):
    """The base of all stored documents. Treat one that was read as immutable: change a copy (`model_copy(update=…)`)."""

    model_config = ConfigDict(populate_by_name=True, extra="ignore", arbitrary_types_allowed=True)

    id: str = Field(default_factory=new_id, alias="_id")
    scope: str = NO_SCOPE
    """The parent: a cluster, an owner, a day for growing collections; leads every index and never changes."""
    etag: str = Field(default_factory=new_etag)
    generation: int = 1
    """For the owner of the document: counts changes of what is wished for."""
    create_time: datetime = Field(default_factory=now)
    update_time: datetime = Field(default_factory=now)
    """Moves forward with every write of this document, even where clocks of replicas differ."""
    delete_time: datetime | None = None
    """When it was deleted; the tombstone is kept for a day."""
    labels: dict[str, str] = {}
    request_key: str = ""
    """Caller and request id of the create that made it."""
    request_hash: str = ""
    """What that create asked for."""


@dataclass(frozen=True)
class RequestKey:
    """What makes a create idempotent: who asks, under which id, for what."""

    caller: str
    id: str
    body_hash: str

    @classmethod
    def of(cls, caller: str, id: str, body: bytes) -> Self:
        """From the request as bytes (without the request id itself, serialised deterministically)."""
        return cls(caller, id, hashlib.sha256(body).hexdigest())

    @property
    def key(self) -> str:
        """The unique value under which the document is found again."""
        return f"{self.caller}/{self.id}"


def encode(document: Document, schema: int) -> dict[str, Any]:
    """The document as it is stored."""
    raw: dict[str, Any] = _plain(document.model_dump(by_alias=True))
    if raw["labels"]:
        raw["labels"] = {key.replace(".", _DOT): value for key, value in raw["labels"].items()}
    # The unique index on request_key holds only documents that have one.
    for name in ("request_key", "request_hash"):
        if not raw[name]:
            del raw[name]
    raw["live"] = document.delete_time is None
    raw["schema"] = schema
    return raw


def decode(raw: Mapping[str, Any], document: type[D]) -> D:
    """The document as it was stored."""
    labels = raw.get("labels")
    if labels:
        raw = {**raw, "labels": {key.replace(_DOT, "."): value for key, value in labels.items()}}
    return document.model_validate(raw)


def label_path(key: str) -> str:
    """Where a label lies in the stored document."""
    return "labels." + key.replace(".", _DOT)


def value_at(raw: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path of a stored document; None where there is none."""
    value: Any = raw
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return milliseconds(value)
    return value
