"""Pages of a list by keyset: what a page token holds, and which queries fetch what comes after it.

A token is the base64url of JSON `{v, h, s, k}`: version, hash of everything that the list depends on, index of the
scope, and the last document's sort value and id. It stays right while others insert and delete.
"""

import base64
import binascii
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

import orjson

from cloudly_kit.errors import InvalidArgument, InvalidPageToken

T = TypeVar("T")

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 200
VERSION = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class PageRequest:
    """What a List request asks for. `caller` binds its tokens to who asked.

    `page_size` 0 means 50, and more than 200 means 200. `order_by` is a declared field, with ` desc` for downwards.
    """

    page_size: int = 0
    page_token: str = ""
    filter: str = ""
    order_by: str = ""
    caller: str = ""


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some items of a list, and the token for the next ones; empty when these were the last."""

    items: list[T]
    next_page_token: str = ""


@dataclass(frozen=True)
class Order:
    """By which stored field a list is sorted, ties broken by id."""

    path: str
    descending: bool = False

    @property
    def sort(self) -> list[tuple[str, int]]:
        """For the database."""
        direction = -1 if self.descending else 1
        return [(path, direction) for path in dict.fromkeys((self.path, "_id"))]

    def after(self, position: "Position | None") -> list[dict[str, Any]]:
        """Conditions whose results, one after the other, are what follows the position.

        Several plain ranges instead of one `$or`: each is an equality and a range on one index, on every server.
        """
        if position is None:
            return [{}]
        beyond = "$lt" if self.descending else "$gt"
        if self.path == "_id":
            return [{"_id": {beyond: position.id}}]
        same = {self.path: position.value, "_id": {beyond: position.id}}
        # Documents without a value sort before all others, and a range never finds them.
        if self.descending:
            return [same] if position.value is None else [same, {self.path: {"$lt": position.value}}, {self.path: None}]
        return [same, {self.path: {"$ne": None} if position.value is None else {"$gt": position.value}}]


@dataclass(frozen=True)
class Position:
    """A place in a list: after the document with this sort value and id, in the scope of this index."""

    scope: int
    value: Any
    id: str


def page_size(request: PageRequest) -> int:
    """How many items a page may have.

    Raises:
        InvalidArgument: it is negative.
    """
    if request.page_size < 0:
        raise InvalidArgument.of(("page_size", "must not be negative"))
    return min(request.page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)


def fingerprint(scopes: Sequence[str], request: PageRequest, extra: Sequence[tuple[str, str]] = ()) -> str:
    """The hash of everything that a page token depends on."""
    parts = orjson.dumps([list(scopes), request.filter, request.order_by, request.caller, list(extra)])
    return hashlib.sha256(parts).hexdigest()[:16]


def to_token(position: Position, hash: str) -> str:
    """The token of a place in the list with this fingerprint."""
    value = position.value
    if isinstance(value, datetime):
        value = {"ms": (value - _EPOCH) // timedelta(milliseconds=1)}
    raw = orjson.dumps({"v": VERSION, "h": hash, "s": position.scope, "k": [value, position.id]})
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def from_token(token: str, hash: str, scopes: int) -> Position | None:
    """The place that a token names; None for an empty one.

    Raises:
        InvalidPageToken: it is damaged, of another version, or of a list with other parameters.
    """
    if not token:
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        match orjson.loads(raw):
            case {"v": 1, "h": str(h), "s": int(scope), "k": [value, str(id)]} if h == hash and 0 <= scope < scopes:
                return Position(scope, _sort_value(value), id)
            case _:
                raise InvalidPageToken
    except (binascii.Error, UnicodeError, orjson.JSONDecodeError, ValueError, OverflowError) as error:
        raise InvalidPageToken from error


def _sort_value(value: Any) -> Any:
    match value:
        case {"ms": int(ms)}:
            return _EPOCH + timedelta(milliseconds=ms)
        case None | str() | int() | float():
            return value
        case _:
            # Anything else would be an operator smuggled into a query.
            raise InvalidPageToken
