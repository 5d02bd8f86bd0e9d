"""Which indexes a collection has: those its owner declares, and those its pages, requests and tombstones need."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pymongo import ASCENDING, IndexModel

TOMBSTONE_SECONDS = 86_400
"""How long a deleted document is kept, so that watches can tell who may hear of it (decision 4)."""


@dataclass(frozen=True, init=False)
class Index:
    """An index over fields of the document, by dotted paths, in the order in which equality on them is asked.

    `unique` holds among documents that are not deleted. `expire_after_seconds` has the database remove documents that
    long after the time in the (one) field; 0 means at that time. Such removals are not deletes: watches do not see them.
    """

    fields: tuple[str, ...]
    unique: bool
    expire_after_seconds: int | None

    def __init__(self, *fields: str, unique: bool = False, expire_after_seconds: int | None = None) -> None:
        if not fields or (expire_after_seconds is not None and (len(fields) > 1 or unique)):
            raise ValueError("an index has fields; one that expires has exactly one and is not unique")
        object.__setattr__(self, "fields", fields)
        object.__setattr__(self, "unique", unique)
        object.__setattr__(self, "expire_after_seconds", expire_after_seconds)


def index_models(declared: Iterable[Index], ordered_paths: Iterable[str]) -> list[IndexModel]:
    """All indexes of a collection.

    That of requests is sparse, not partial: the embedded server does not see that an equality implies `$exists`.
    `live` stands inside them, so that tombstones cost lists nothing; `_id` at the end breaks ties of pages.
    """
    models = [
        _model("by_request", ["request_key"], unique=True, sparse=True),
        _model("tombstone", ["delete_time"], expireAfterSeconds=TOMBSTONE_SECONDS),
    ]
    models += [
        _model(f"page_{path}", list(dict.fromkeys(("scope", "live", path, "_id"))))
        for path in dict.fromkeys(ordered_paths) or ["_id"]
    ]
    for index in declared:
        name = "_".join(index.fields)
        if index.unique:
            models.append(_model(f"unique_{name}", index.fields, unique=True, partialFilterExpression={"live": True}))
        elif index.expire_after_seconds is not None:
            models.append(_model(f"expire_{name}", index.fields, expireAfterSeconds=index.expire_after_seconds))
        else:
            models.append(_model(f"by_{name}", [*index.fields, "live"]))
    return models


def _model(name: str, fields: Iterable[str], **options: Any) -> IndexModel:
    return IndexModel([(field, ASCENDING) for field in fields], name=name, **options)
