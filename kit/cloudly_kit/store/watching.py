"""Watches: a snapshot, a bookmark, then changes; resumed by a cursor, which is the stream's resume token."""

import base64
import binascii
import enum
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import bson
import bson.errors
from motor.motor_asyncio import AsyncIOMotorCollection

from cloudly_kit.errors import CursorLost
from cloudly_kit.store.documents import Document
from cloudly_kit.store.feed import Entry, Feed, Queue
from cloudly_kit.store.stream import Event, Lost, Stream, Token

D = TypeVar("D", bound=Document)

BOOKMARK_SECONDS = 15.0
"""A watcher that hears nothing for so long gets a bookmark, so that its cursor does not grow old."""
CATCH_UP_BUFFER = 10_000
"""How far behind a cursor may be before listing again is the better way."""


class ChangeEvent(enum.Enum):
    """What kind of news a change is; as in proto/cloudly/common/v1/watch.proto."""

    SNAPSHOT = 1
    BOOKMARK = 2
    CHANGED = 3
    DELETED = 4


@dataclass(frozen=True)
class Change(Generic[D]):
    """One piece of news. Bookmarks have no document; DELETED has it as it was, with `delete_time`."""

    event: ChangeEvent
    document: D | None
    cursor: str


class Watches(Generic[D]):
    """All watches of a collection in this process."""

    def __init__(
        self,
        collection: Callable[[], AsyncIOMotorCollection[dict[str, Any]]],
        decode: Callable[[dict[str, Any]], D],
        snapshot: Callable[[Collection[str] | None], AsyncIterator[D]],
    ) -> None:
        self._collection = collection
        self._decode = decode
        self._snapshot = snapshot
        self._feed: Feed[D] | None = None

    async def watch(self, scopes: Collection[str] | None, cursor: str) -> AsyncGenerator[Change[D], None]:
        """See Collection.watch."""
        start = _from_cursor(cursor)
        wanted = None if scopes is None else frozenset(scopes)
        try:
            feed = self._current(start)
            queue, remembered = await feed.subscribe(start)
            try:
                if start is None:
                    source = self._from_snapshot(feed, queue, wanted)
                elif remembered:
                    source = _changes(feed, queue)
                else:
                    source = self._from_cursor(feed, queue, start)
                async for change in source:
                    if change.document is None or wanted is None or change.document.scope in wanted:
                        yield change
            finally:
                feed.unsubscribe(queue)
        except Lost as error:
            raise CursorLost(str(error)) from error

    def _current(self, start: Token | None) -> Feed[D]:
        if self._feed is None or self._feed.closed:
            self._feed = Feed(self._collection(), self._decode, start)
        return self._feed

    async def _from_snapshot(
        self, feed: Feed[D], queue: Queue[D], scopes: Collection[str] | None
    ) -> AsyncIterator[Change[D]]:
        # The stream is open already, so nothing falls between it and the snapshot. What it says of writes that the
        # snapshot has seen is left out, or the watcher would go back in time.
        cursor = _to_cursor(feed.position)
        seen: dict[str, datetime] = {}
        async for document in self._snapshot(scopes):
            seen[document.id] = document.update_time
            yield Change(ChangeEvent.SNAPSHOT, document, cursor)
        yield Change(ChangeEvent.BOOKMARK, None, cursor)
        async for change in _changes(feed, queue):
            if change.event is ChangeEvent.BOOKMARK:
                # After a bookmark of the stream everything is newer than the snapshot.
                seen.clear()
            elif change.document is not None:
                known = seen.get(change.document.id)
                if known is not None and change.document.update_time <= known:
                    continue
                seen.pop(change.document.id, None)
            yield change

    async def _from_cursor(self, feed: Feed[D], queue: Queue[D], start: Token) -> AsyncIterator[Change[D]]:
        async for change in self._catch_up(feed, start):
            yield change
        async for change in _changes(feed, queue):
            yield change

    async def _catch_up(self, feed: Feed[D], start: Token) -> AsyncIterator[Change[D]]:
        """What happened since `start`, from a stream of its own, until the feed can take over."""
        if feed.catching_up.locked():
            raise Lost("too many watchers come back at once")
        async with feed.catching_up:
            own = _CatchUp(self._collection(), self._decode, start)
            try:
                idle_at: Token | None = None
                while True:
                    entry = await own.queue.get(BOOKMARK_SECONDS)
                    if entry is None:
                        continue
                    if entry.idle:
                        # An empty answer alone proves nothing: the server may still be reading through what others
                        # wrote. One that has not moved since the last empty answer is at the end; what comes from
                        # then on is in the feed's queue, which is older than this stream.
                        if entry.token == idle_at:
                            return
                        idle_at = entry.token
                        continue
                    idle_at = None
                    if entry.document is not None:
                        yield _change(entry)
            finally:
                own.stop()


class _CatchUp(Generic[D]):
    """A stream from an old token into a queue."""

    def __init__(
        self, collection: AsyncIOMotorCollection[dict[str, Any]], decode: Callable[[dict[str, Any]], D], start: Token
    ) -> None:
        self.queue: Queue[D] = Queue(CATCH_UP_BUFFER)
        self._decode = decode
        self._stream = Stream(collection, start, self)

    def stop(self) -> None:
        """The feed has taken over, or the watcher has gone."""
        self._stream.stop()

    def opened(self, token: Token) -> None:
        """Listener of the stream: nothing to do, the queue tells."""

    def event(self, event: Event) -> None:
        """Listener of the stream."""
        try:
            self.queue.put(Entry(event.token, None if event.raw is None else self._decode(event.raw)))
        except Exception as error:  # noqa: BLE001 - the watcher is told what cannot be read
            self.ended(error)

    def idle(self, token: Token) -> None:
        """Listener of the stream."""
        self.queue.put(Entry(token, None, idle=True))

    def ended(self, reason: Exception) -> None:
        """Listener of the stream."""
        self._stream.stop()
        self.queue.end(reason)


async def _changes(feed: Feed[D], queue: Queue[D]) -> AsyncIterator[Change[D]]:
    while True:
        entry = await queue.get(BOOKMARK_SECONDS)
        if entry is None:
            yield Change(ChangeEvent.BOOKMARK, None, _to_cursor(feed.position))
        elif entry.document is not None:
            yield _change(entry)


def _change(entry: Entry[D]) -> Change[D]:
    assert entry.document is not None
    event = ChangeEvent.CHANGED if entry.document.delete_time is None else ChangeEvent.DELETED
    return Change(event, entry.document, _to_cursor(entry.token))


def _to_cursor(token: Token) -> str:
    return base64.urlsafe_b64encode(bson.encode(token)).rstrip(b"=").decode()


def _from_cursor(cursor: str) -> Token | None:
    if not cursor:
        return None
    try:
        token: Token = bson.decode(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, bson.errors.BSONError, UnicodeError, ValueError) as error:
        raise CursorLost("the cursor is damaged") from error
    return token or None
