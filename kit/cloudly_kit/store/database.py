"""The database of one service: its collections and its transactions."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog
from motor.motor_asyncio import AsyncIOMotorClient, AsyncIOMotorClientSession, AsyncIOMotorCollection
from pymongo.errors import ConnectionFailure, PyMongoError

from cloudly_kit.errors import Conflict, Unavailable

log = structlog.get_logger()

T = TypeVar("T")
Raw = dict[str, Any]

ATTEMPTS = 30
"""How often the body of a transaction is run before its conflicts are reported."""
SECONDS = 15.0
"""How long a transaction is tried, its waits included."""


class Rerun(Exception):
    """Raised inside a transaction that met another one in a way that the server did not see."""


class Session:
    """A transaction in progress; every read and write that belongs to it takes it as `session`."""

    def __init__(self, raw: AsyncIOMotorClientSession) -> None:
        self.raw = raw
        self._written: list[tuple[AsyncIOMotorCollection[Raw], str, str]] = []
        self._after_commit: list[Callable[[], None]] = []

    def wrote(self, collection: AsyncIOMotorCollection[Raw], id: str, etag: str) -> None:
        """Remember a write, by which a commit whose answer was lost can be recognised."""
        self._written.append((collection, id, etag))

    def after_commit(self, call: Callable[[], None]) -> None:
        """Have something called once the transaction is known to be committed; it must not raise."""
        self._after_commit.append(call)

    async def took(self) -> bool:
        """Whether the writes of this transaction are in the database."""
        for collection, written_id, etag in reversed(self._written):
            found = await collection.find_one({"_id": written_id})
            if found is not None and found.get("etag") == etag:
                return True
        return False

    def committed(self) -> None:
        """Call what waits for the commit."""
        for call in self._after_commit:
            call()


class Database:
    """A database by name, over a client that others may share.

    The client has to read times with their zone (`tz_aware=True`).
    """

    def __init__(self, client: AsyncIOMotorClient[Raw], name: str) -> None:
        self.client = client
        self.name = name
        self._collections: dict[str, AsyncIOMotorCollection[Raw]] = {}

    def raw(self, collection: str) -> AsyncIOMotorCollection[Raw]:
        """A collection of the driver; for the kit, where documents are not of the `Document` kind."""
        known = self._collections.get(collection)
        if known is None:  # making the driver's object costs a tenth of a read
            known = self._collections[collection] = self.client[self.name][collection]
        return known

    async def ping(self) -> None:
        """Raises Unavailable when the database does not answer."""
        try:
            await asyncio.wait_for(self.client.admin.command("ping"), 5)
        except (PyMongoError, TimeoutError) as error:
            raise Unavailable("database") from error

    async def transaction(self, work: Callable[[Session], Awaitable[T]]) -> T:
        """Run `work` in a transaction; all of its writes happen, or none.

        `work` is run again when another transaction got in between, so whatever else it does has to bear repetition.
        What it raises aborts the transaction and is raised.

        Raises:
            Conflict: others got in between for too long.
            Unavailable: the database does not answer.
        """
        deadline = asyncio.get_running_loop().time() + SECONDS
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._attempt(work, deadline)
            except Rerun as error:
                failure: Exception = error
            except PyMongoError as error:
                if not (error.has_error_label("TransientTransactionError") or isinstance(error, ConnectionFailure)):
                    raise
                failure = error
            # Full jitter, so that those who met do not meet again.
            pause = random.uniform(0, min(0.005 * 2**attempt, 0.5))
            if attempt >= ATTEMPTS or asyncio.get_running_loop().time() + pause > deadline:
                log.warning("transaction.gave_up", database=self.name, attempts=attempt, error=repr(failure))
                if isinstance(failure, ConnectionFailure):
                    raise Unavailable("database") from failure
                raise Conflict from failure
            await asyncio.sleep(pause)

    async def _attempt(self, work: Callable[[Session], Awaitable[T]], deadline: float) -> T:
        # The driver's own way goes through a thread, for what is only a new object.
        async with AsyncIOMotorClientSession(self.client.delegate.start_session(), self.client) as raw:
            session = Session(raw)
            raw.start_transaction()
            try:
                result = await work(session)
            except BaseException:
                if raw.delegate.in_transaction:
                    await raw.abort_transaction()
                raise
            if raw.delegate.in_transaction:
                await self._commit(session, deadline)
        session.committed()
        return result

    async def _commit(self, session: Session, deadline: float) -> None:
        while True:
            try:
                await session.raw.commit_transaction()
            except PyMongoError as error:
                lost = isinstance(error, ConnectionFailure) or error.has_error_label("UnknownTransactionCommitResult")
                # The driver repeats a commit by itself, so even a plain refusal may be the answer to a second try: a
                # server that was restarted knows the documents, though not the transaction any more.
                if not lost:
                    if await self._took(session, deadline):
                        return
                    raise
                await self._wait(deadline, error)
            else:
                return

    async def _took(self, session: Session, deadline: float) -> bool:
        # A question that is not answered says nothing: running the transaction again could do its work twice.
        while True:
            try:
                return await session.took()
            except ConnectionFailure as error:
                await self._wait(deadline, error)

    @staticmethod
    async def _wait(deadline: float, error: PyMongoError) -> None:
        if asyncio.get_running_loop().time() > deadline:
            message = "it is not known whether the write took; read before repeating it"
            raise Unavailable("database", message) from error
        await asyncio.sleep(random.uniform(0.05, 0.25))
