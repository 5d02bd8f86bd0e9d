"""One change stream of a collection, fanned out to all who watch it in this process."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from motor.motor_asyncio import AsyncIOMotorCollection

from cloudly_kit.errors import Unavailable
from cloudly_kit.store.stream import Event, Lost, Stream, Token

D = TypeVar("D")

BUFFER = 1_000
"""How many changes a watcher may lag behind, and how many past ones a feed keeps for those who come back."""
OPEN_SECONDS = 15.0


@dataclass(frozen=True)
class Entry(Generic[D]):
    """One change: the document as it is now (None: nothing to tell), and the token after it."""

    token: Token
    document: D | None
    idle: bool = False
    """Whether this is no change, but the news that there is none."""


class Queue(Generic[D]):
    """What one watcher has not taken yet. What does not fit ends it: a slow watcher holds up nobody."""

    def __init__(self, limit: int = BUFFER) -> None:
        self._entries: deque[Entry[D]] = deque()
        self._limit = limit
        self._news = asyncio.Event()
        self._reason: Exception | None = None

    def put(self, entry: Entry[D]) -> None:
        """Add an entry, or end the queue."""
        if len(self._entries) >= self._limit:
            self.end(Lost("the watcher is too slow"))
        elif self._reason is None:
            self._entries.append(entry)
            self._news.set()

    def end(self, reason: Exception) -> None:
        """Have `get` raise this."""
        self._reason = self._reason or reason
        self._entries.clear()
        self._news.set()

    async def get(self, seconds: float) -> Entry[D] | None:
        """The next entry; None when none came in time. Raises what the queue was ended with."""
        if not self._entries and self._reason is None:
            self._news.clear()
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                # Something may have come in the same turn of the loop; see below.
                self._news.clear()
        if self._reason is not None:
            raise self._reason
        return self._entries.popleft() if self._entries else None


class Feed(Generic[D]):
    """A running stream and its subscriptions. It closes with its last subscription, or when the stream cannot go on."""

    def __init__(
        self,
        collection: AsyncIOMotorCollection[dict[str, Any]],
        decode: Callable[[dict[str, Any]], D],
        start: Token | None,
    ) -> None:
        self.closed = False
        self.catching_up = asyncio.Semaphore(8)
        """Streams of watchers that come back with a cursor older than what this feed remembers."""
        self._decode = decode
        self._watchers: set[Queue[D]] = set()
        """All queues, also those that wait for the stream to open."""
        self._queues: set[Queue[D]] = set()
        self._past: deque[Entry[D]] = deque(maxlen=BUFFER)
        self._before: Token = start or {}
        """The token before the oldest of `_past`."""
        self._position: Token = start or {}
        self._open = asyncio.Event()
        self._reason: Exception | None = None
        self._stream = Stream(collection, start, self)

    @property
    def position(self) -> Token:
        """The token after everything that the queues have been given."""
        return self._position

    async def subscribe(self, start: Token | None = None) -> tuple[Queue[D], bool]:
        """A queue of what comes from now on, and, if this feed remembers that far (the bool), of what came after `start`.

        Raises:
            Lost: the stream cannot start where it should.
            Unavailable: the database does not answer.
        """
        queue: Queue[D] = Queue()
        self._watchers.add(queue)
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await self._open.wait()
            if self._reason is not None:
                raise self._reason
        except TimeoutError as error:
            self.unsubscribe(queue)
            raise Unavailable("database") from error
        except BaseException:
            self.unsubscribe(queue)
            raise
        # In one turn of the loop, so that no event is both remembered and given.
        missed = None if start is None else self._since(start)
        for entry in missed or ():
            queue.put(entry)
        self._queues.add(queue)
        return queue, missed is not None

    def _since(self, token: Token) -> list[Entry[D]] | None:
        if token == self._position:
            return []
        past = list(self._past)
        places = [self._before, *(entry.token for entry in past)]
        return past[places.index(token) :] if token in places else None

    def unsubscribe(self, queue: Queue[D]) -> None:
        """The watcher has gone; the last one takes the stream along."""
        self._watchers.discard(queue)
        self._queues.discard(queue)
        if not self._watchers and not self.closed:
            self.closed = True
            self._stream.stop()

    def opened(self, token: Token) -> None:
        """Listener of the stream."""
        if not self._open.is_set():
            self._position = token
            self._before = self._before or token
            self._open.set()

    def event(self, event: Event) -> None:
        """Listener of the stream."""
        try:
            document = None if event.raw is None else self._decode(event.raw)
        except Exception as error:  # noqa: BLE001 - every watcher is told what cannot be read
            self.ended(error)
            return
        entry = Entry(event.token, document)
        if len(self._past) == BUFFER:
            self._before = self._past[0].token
        self._past.append(entry)
        self._position = event.token
        for queue in list(self._queues):
            queue.put(entry)

    def idle(self, token: Token) -> None:
        """Listener of the stream."""
        self._position = token

    def ended(self, reason: Exception) -> None:
        """Listener of the stream."""
        self.closed = True
        self._reason = reason
        self._stream.stop()
        self._open.set()
        for queue in self._queues:
            queue.end(reason)
