"""A change stream of the database, read by a thread of its own.

The driver waits for changes by blocking a thread; in its shared pool that would starve the queries. The thread goes on
from its resume token when the server was away, and ends when the server has forgotten that token.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo.errors import InvalidOperation, OperationFailure, PyMongoError

log = structlog.get_logger()

Raw = dict[str, Any]
Token = dict[str, Any]

AWAIT_MILLISECONDS = 500
"""How long the server holds back an empty answer; also how long a stopped stream may take to end."""

# What a server says while it starts, stops or changes its primary; the token is still good afterwards.
_PASSING_CODES = frozenset(
    {6, 7, 43, 63, 89, 91, 133, 150, 189, 234, 237, 262, 9001, 10107, 11600, 11602, 13388, 13435, 13436}
)


class Lost(Exception):
    """The stream cannot go on from where it was."""


@dataclass(frozen=True)
class Event:
    """One change: the document as it is stored now (None where nobody can know it), and the token after it."""

    token: Token
    raw: Raw | None


class Listener(Protocol):
    """Who hears of the stream; called in the event loop."""

    def opened(self, token: Token) -> None:
        """The server listens from this token on; called again after each reconnect."""

    def event(self, event: Event) -> None:
        """Something changed."""

    def idle(self, token: Token) -> None:
        """Nothing changed for a while; the stream is at this token."""

    def ended(self, reason: Exception) -> None:
        """The stream cannot go on; nothing more comes."""


class Stream:
    """A change stream that has been started; stop it when nobody listens any more."""

    def __init__(self, collection: AsyncIOMotorCollection[Raw], start: Token | None, listener: Listener) -> None:
        self._collection = collection.delegate
        self._start = start
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        threading.Thread(target=self._run, name=f"stream-{collection.name}", daemon=True).start()

    def stop(self) -> None:
        """Have the thread end; it does so within AWAIT_MILLISECONDS and tells nothing any more."""
        self._stop.set()

    def _tell(self, call: Callable[..., None], argument: Any) -> None:
        def told() -> None:
            if not self._stop.is_set():
                call(argument)

        # A loop that was closed has nobody left to tell.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(told)

    def _run(self) -> None:
        token = self._start
        pause = 0.05
        while not self._stop.is_set():
            try:
                with self._collection.watch(
                    full_document="updateLookup", resume_after=token, max_await_time_ms=AWAIT_MILLISECONDS
                ) as cursor:
                    token = dict(cursor.resume_token or token or {})
                    self._tell(self._listener.opened, token)
                    while not self._stop.is_set() and cursor.alive:
                        change = cursor.try_next()
                        pause = 0.05
                        token = dict(cursor.resume_token or token)
                        if change is None:
                            self._tell(self._listener.idle, token)
                        else:
                            self._tell(self._listener.event, Event(token, change.get("fullDocument")))
                if not self._stop.is_set():
                    # The collection was dropped or renamed.
                    raise Lost("the server closed the stream")
            except InvalidOperation as error:
                self._tell(self._listener.ended, Lost(repr(error)))
                return
            except OperationFailure as error:
                if error.code not in _PASSING_CODES and not error.has_error_label("ResumableChangeStreamError"):
                    self._tell(self._listener.ended, Lost(repr(error)))
                    return
                log.warning("stream.interrupted", collection=self._collection.name, error=repr(error))
            except PyMongoError as error:
                log.warning("stream.interrupted", collection=self._collection.name, error=repr(error))
            except Exception as error:  # noqa: BLE001 - whatever it is, those who wait have to hear of it
                self._tell(self._listener.ended, error)
                return
            self._stop.wait(pause)
            pause = min(pause * 2, 2.0)
