"""A typed collection: the one way in which services read and write documents.

Compare-and-set is `replace_one({_id, etag})`. Every write makes its new etag first, so that after a lost answer the
etag in the database tells whether the write took. Lists are an equality on the scope and a range on one index.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from collections.abc import Collection as Several
from datetime import timedelta
from typing import Any, Generic, TypeVar

import structlog
from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo.errors import ConnectionFailure, DuplicateKeyError, OperationFailure

from cloudly_kit.audit import notes
from cloudly_kit.errors import AlreadyExists, Conflict, InvalidArgument, NotFound, StaleEtag, Unavailable
from cloudly_kit.ids import new_etag
from cloudly_kit.store.database import Database, Rerun, Session
from cloudly_kit.store.documents import Document, RequestKey, decode, encode, now, value_at
from cloudly_kit.store.filtering import Filters, add_condition
from cloudly_kit.store.indexes import Index, index_models
from cloudly_kit.store.migrations import Migration, checked, migrate, upgraded
from cloudly_kit.store.paging import Order, Page, PageRequest, Position, fingerprint, from_token, page_size, to_token
from cloudly_kit.store.watching import Change, Watches

log = structlog.get_logger()

D = TypeVar("D", bound=Document)
T = TypeVar("T")
Raw = dict[str, Any]

WRITE_SECONDS = 15.0
"""How long a write outside of a transaction is tried while the database does not answer."""
CHANGE_ATTEMPTS = 30
_WRITE_CONFLICT = 112


class Collection(Generic[D]):
    """The documents of one kind.

    `orderable` and `filterable` name the fields that lists may be ordered and filtered by, as a mapping from the API's
    name to the document's path or as a sequence where both are the same. The first orderable field is the default order.
    `kind` is what errors call a document.
    """

    def __init__(
        self,
        database: Database,
        name: str,
        document: type[D],
        *,
        kind: str,
        indexes: Sequence[Index] = (),
        orderable: Mapping[str, str] | Sequence[str] = (),
        filterable: Mapping[str, Any] | Sequence[str] = (),
        migrations: Sequence[Migration] = (),
    ) -> None:
        self.database = database
        self.name = name
        self.kind = kind
        self.document = document
        self._indexes = tuple(indexes)
        self._orderable = dict(orderable) if isinstance(orderable, Mapping) else {field: field for field in orderable}
        self._filters = Filters(document, filterable)
        self._migrations = checked(migrations)
        self._watches: Watches[D] = Watches(lambda: self._raw, self._decode, self._live)

    async def ensure(self) -> None:
        """Make the indexes and bring the documents to this version; call it once when the process starts."""
        await self._raw.create_indexes(index_models(self._indexes, self._orderable.values()))
        await migrate(self.database, self.name, self._migrations)

    async def insert(
        self, doc: D, *, request: RequestKey | None = None, session: Session | None = None
    ) -> tuple[D, bool]:
        """Store a new document. The bool says that the request was repeated and the document is the one it made before.

        Raises:
            AlreadyExists: a unique field (or the id) is taken.
            InvalidArgument: the request id was used before for something else.
        """
        if request is not None:
            # Inside a transaction a duplicate would abort it, so the look comes before the write.
            if session is not None and (found := await self._by_request(request, session)):
                return found, True
            doc = doc.model_copy(update={"request_key": request.key, "request_hash": request.body_hash})
        raw = self._encode(doc.model_copy(update={"etag": new_etag()}))
        try:
            await self._write(lambda s: self._raw.insert_one(raw, session=s), raw, session)
        except DuplicateKeyError as error:
            return await self._duplicate(raw, request, session, error)
        self._note(raw, "", session)
        return self._decode(raw), False

    async def get(self, id: str, *, session: Session | None = None) -> D:
        """The document with this id. Raises NotFound, also when it was deleted."""
        found = await self.find(id, session=session)
        if found is None:
            raise NotFound(self.kind, id)
        return found

    async def find(self, id: str, *, session: Session | None = None) -> D | None:
        """The document with this id, or None."""
        raw = await self._raw.find_one({"_id": id}, session=_driver(session))
        return self._decode(raw) if raw is not None and raw["live"] else None

    async def find_one(self, *, scope: str | None = None, session: Session | None = None, **equal: Any) -> D | None:
        """A document with these values (nested fields as `spec__image`), or None; have an index for them."""
        raw = await self._raw.find_one(_equality(scope, equal), session=_driver(session))
        return None if raw is None else self._decode(raw)

    async def find_all(self, *, scope: str, session: Session | None = None, **equal: Any) -> list[D]:
        """All documents of a scope with these values, unordered. Only where their number is bounded."""
        cursor = self._raw.find(_equality(scope, equal), session=_driver(session))
        return [self._decode(raw) async for raw in cursor]

    async def every(self) -> AsyncIterator[D]:
        """All documents of all scopes, unordered; for work on a whole collection."""
        async for document in self._live(None):
            yield document

    async def recode(self, doc: D, recoded: D) -> bool:
        """Store the same document in another form (wrapped by another key), if nobody has changed it since it was read.

        It is no change: etag and times stay as they were, and so does whoever holds them. A writer who read the document
        before overwrites the new form with the old one; look again for what is left.

        Returns:
            False: it has been changed or deleted.
        """
        raw = self._encode(recoded.model_copy(update={"etag": doc.etag, "update_time": doc.update_time}))
        result = await self._repeated(
            lambda s: self._raw.replace_one({"_id": doc.id, "etag": doc.etag}, raw, session=s)
        )
        return bool(result.matched_count)

    async def replace(self, doc: D, *, session: Session | None = None) -> D:
        """Store a changed document if nobody else has changed it since it was read; answers it with its new etag.

        Raises:
            StaleEtag: it has been changed.
            NotFound: it has been deleted.
            AlreadyExists: the new value of a unique field is taken.
        """
        later = max(now(), doc.update_time + timedelta(milliseconds=1))
        raw = self._encode(doc.model_copy(update={"etag": new_etag(), "update_time": later}))
        seen = {"_id": doc.id, "etag": doc.etag}
        try:
            result = await self._write(lambda s: self._raw.replace_one(seen, raw, session=s), raw, session)
        except DuplicateKeyError as error:
            raise self._taken(raw, error) from error
        if not result.matched_count:
            current = await self._raw.find_one({"_id": doc.id}, session=_driver(session))
            if current is None or current["etag"] != raw["etag"]:
                if current is None or not current["live"]:
                    raise NotFound(self.kind, doc.id)
                raise StaleEtag(self.kind, doc.id, current["etag"])
        self._note(raw, doc.etag, session)
        return self._decode(raw)

    async def change(
        self, id: str, mutate: Callable[[D], D | None], *, etag: str = "", session: Session | None = None
    ) -> D:
        """Read, change, store. `mutate` gets a copy, which it may alter, and returns what to store; None changes nothing.

        Without `etag` it is done again when others got in between; `mutate` has to bear that.

        Raises:
            NotFound, StaleEtag: as `replace`, the latter only with `etag`.
            Conflict: others kept getting in between.
        """
        for attempt in range(CHANGE_ATTEMPTS):
            found = await self.get(id, session=session)
            if etag and found.etag != etag:
                raise StaleEtag(self.kind, id, found.etag)
            changed = mutate(found.model_copy(deep=True))
            if changed is None:
                return found
            try:
                return await self.replace(changed.model_copy(update={"etag": found.etag}), session=session)
            except StaleEtag:
                if etag:
                    raise
                if session is not None:
                    raise Rerun from None
            await asyncio.sleep(random.uniform(0, min(0.002 * 2**attempt, 0.2)))
        raise Conflict

    async def delete(self, id: str, *, etag: str = "", session: Session | None = None) -> D:
        """Delete the document: it is not found any more and its name is free; answers it with `delete_time`.

        Raises:
            NotFound, StaleEtag, Conflict: as `change`.
        """

        def mutate(doc: D) -> D:
            doc.delete_time = now()
            return doc

        return await self.change(id, mutate, etag=etag, session=session)

    async def page(self, scopes: Sequence[str], request: PageRequest, **equal: Any) -> Page[D]:
        """A page of the documents of some scopes, one scope after the other, each in the order asked for.

        Raises:
            InvalidArgument: page_size, filter or order_by.
            InvalidPageToken: the token does not belong to this list.
        """
        size = page_size(request)
        order = self._order(request.order_by)
        mark = fingerprint(scopes, request, sorted((name, repr(value)) for name, value in equal.items()))
        position = from_token(request.page_token, mark, len(scopes))
        filtered = self._filters.query(request.filter)
        items: list[tuple[int, Raw]] = []
        for index in range(position.scope if position else 0, len(scopes)):
            for after in order.after(position if position and position.scope == index else None):
                missing = size + 1 - len(items)
                if missing <= 0:
                    break
                query = _equality(scopes[index], equal)
                for path, condition in [*after.items(), *filtered.items()]:
                    add_condition(query, path, condition)
                cursor = self._raw.find(query).sort(order.sort).limit(missing)
                items += [(index, raw) async for raw in cursor]
        token = ""
        if len(items) > size:
            index, last = items[size - 1]
            token = to_token(Position(index, value_at(last, order.path), last["_id"]), mark)
        return Page([self._decode(raw) for _, raw in items[:size]], token)

    def watch(self, *, scopes: Several[str] | None = None, cursor: str = "") -> AsyncGenerator[Change[D], None]:
        """Changes of some scopes (None: of all), without end.

        Without a cursor the documents as they are come first (SNAPSHOT), then a BOOKMARK. Take the documents as
        immutable: all watchers get the same ones.

        Raises:
            CursorLost: the cursor is too old or no cursor, or the watcher was too slow; start again without one.
            Unavailable: the database does not answer at the start. Later absences are waited out.
        """
        return self._watches.watch(scopes, cursor)

    @property
    def _raw(self) -> AsyncIOMotorCollection[Raw]:
        return self.database.raw(self.name)

    def _encode(self, doc: D) -> Raw:
        return encode(doc, len(self._migrations) + 1)

    def _decode(self, raw: Raw) -> D:
        return decode(upgraded(raw, self._migrations), self.document)

    async def _live(self, scopes: Several[str] | None) -> AsyncIterator[D]:
        for scope in [None] if scopes is None else scopes:
            async for raw in self._raw.find(_equality(scope, {})):
                yield self._decode(raw)

    def _order(self, text: str) -> Order:
        if not text.strip():
            return Order(next(iter(self._orderable.values()), "_id"))
        match text.split():
            case [name] | [name, "asc"] if name in self._orderable:
                return Order(self._orderable[name])
            case [name, "desc"] if name in self._orderable:
                return Order(self._orderable[name], descending=True)
        known = ", ".join(self._orderable) or "none"
        raise InvalidArgument.of(("order_by", f"must be one of {known}, with `desc` after it for downwards"))

    async def _write(self, write: Callable[[Any], Awaitable[T]], raw: Raw, session: Session | None) -> T:
        """Do a write that may be repeated: its etag is new, so a second time it finds the first's and nothing else."""
        await notes.before_write(self.kind)
        if session is not None:
            result = await write(session.raw)
            session.wrote(self._raw, raw["_id"], raw["etag"])
            return result
        return await self._repeated(write)

    async def _repeated(self, write: Callable[[Any], Awaitable[T]]) -> T:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + WRITE_SECONDS
        attempt = 0
        while True:
            attempt += 1
            try:
                return await write(None)
            except ConnectionFailure as error:
                if loop.time() > deadline:
                    message = "it is not known whether the write took; read before repeating it"
                    raise Unavailable("database", message) from error
                log.warning("store.write_repeated", collection=self.name, attempt=attempt, error=repr(error))
            except OperationFailure as error:
                # A transaction holds the document.
                if error.code != _WRITE_CONFLICT or loop.time() > deadline:
                    raise
            await asyncio.sleep(random.uniform(0, min(0.01 * 2**attempt, 0.5)))

    def _note(self, raw: Raw, before: str, session: Session | None) -> None:
        """Tell the audit trail what was written, once it is certain."""
        noted = notes.current()
        if noted is not None:
            name = raw.get("name")
            change = notes.Change(self.kind, raw["_id"], name if isinstance(name, str) else "", before, raw["etag"])
            if session is None:
                noted.add(change)
            else:
                session.after_commit(lambda: noted.add(change))

    async def _by_request(self, request: RequestKey, session: Session | None) -> D | None:
        raw = await self._raw.find_one({"request_key": request.key}, session=_driver(session))
        if raw is None:
            return None
        if raw.get("request_hash") != request.body_hash:
            raise InvalidArgument.of(("request_id", "was used before for another request"))
        return self._decode(raw)

    async def _duplicate(
        self, raw: Raw, request: RequestKey | None, session: Session | None, error: DuplicateKeyError
    ) -> tuple[D, bool]:
        """What a refused insert means: a repeated request, our own write whose answer was lost, or a taken name."""
        if session is None:
            current = await self._raw.find_one({"_id": raw["_id"]})
            if current is not None and current["etag"] == raw["etag"]:
                return self._decode(raw), False
            if request is not None and (found := await self._by_request(request, None)):
                return found, True
        elif request is not None and "request_key" in ((error.details or {}).get("keyPattern") or {}):
            # The same request ran at the same time; the next run of the transaction finds what it made.
            raise Rerun from error
        raise self._taken(raw, error) from error

    def _taken(self, raw: Raw, error: DuplicateKeyError) -> AlreadyExists:
        values = {**((error.details or {}).get("keyValue") or {"_id": raw["_id"]})}
        return AlreadyExists(self.kind, str(raw.get("name") or [*values.values()][-1]))


def _driver(session: Session | None) -> Any:
    return None if session is None else session.raw


def _equality(scope: str | None, equal: Mapping[str, Any]) -> Raw:
    """A query by values. `live` stands last: the embedded server falls back to the first field that leads an index."""
    query: Raw = {} if scope is None else {"scope": scope}
    query.update({name.replace("__", "."): value for name, value in equal.items()})
    query["live"] = True
    return query
