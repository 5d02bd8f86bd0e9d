"""Migrations: how documents written by an older version become documents of this one.

A migration is a pure function over one stored document. Each document carries the schema version it was written with, so
a migration takes effect once on each, wherever it is interrupted; documents that an older replica writes meanwhile are
brought up to date when they are read. `_schema` records per collection which version is reached, when, and who is at it.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import structlog
from pymongo.errors import DuplicateKeyError

from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.ids import new_etag
from cloudly_kit.store.documents import now

if TYPE_CHECKING:
    from cloudly_kit.store.database import Database

log = structlog.get_logger()

LEASE = timedelta(seconds=30)
BATCH = 200


@dataclass(frozen=True)
class Migration:
    """The step to `version` (2 for the first; documents start at 1).

    `change` gets the stored document (`_id`, `live` and `schema` among its fields), may alter and must return it.
    """

    version: int
    name: str
    change: Callable[[dict[str, Any]], dict[str, Any]]


def checked(migrations: Sequence[Migration]) -> tuple[Migration, ...]:
    """The migrations, if they are numbered 2, 3, 4 …; ValueError if not."""
    if [m.version for m in migrations] != list(range(2, len(migrations) + 2)):
        raise ValueError("migrations are numbered 2, 3, 4 … without gaps")
    return tuple(migrations)


def upgraded(raw: dict[str, Any], migrations: Sequence[Migration]) -> dict[str, Any]:
    """The stored document brought up to the last version."""
    for migration in migrations[int(raw.get("schema", 1)) - 1 :]:
        raw = migration.change(raw)
        raw["schema"] = migration.version
    return raw


async def migrate(database: "Database", collection: str, migrations: Sequence[Migration]) -> None:
    """Bring a collection to the last version. Of several replicas one does it while the others wait."""
    target = len(migrations) + 1
    schema = database.raw("_schema")
    owner = new_etag()
    while True:
        record = await schema.find_one({"_id": collection})
        if record is None:
            fresh = {
                "_id": collection,
                "etag": new_etag(),
                "version": 1,
                "owner": "",
                "lease_time": now(),
                "history": [],
            }
            try:
                await schema.insert_one(fresh)
            except DuplicateKeyError:
                log.debug("migration.record_exists", collection=collection)
            continue
        if record["version"] >= target:
            return
        if record["owner"] and record["owner"] != owner and record["lease_time"] > now():
            await asyncio.sleep(random.uniform(0.1, 0.3))
            continue
        step = migrations[record["version"] - 1]
        leased = {**record, "etag": new_etag(), "owner": owner, "lease_time": now() + LEASE}
        if not await _swap(database, record, leased):
            continue
        await _run(database, collection, step, leased)


async def _run(database: "Database", collection: str, step: Migration, record: dict[str, Any]) -> None:
    documents = database.raw(collection)
    changed = 0
    started = now()
    found = True
    while found:
        # Once through all; what others changed meanwhile is left for the next time through.
        found = False
        async for raw in documents.find({"schema": {"$lt": step.version}}, batch_size=BATCH):
            found = True
            old = {"_id": raw["_id"], "etag": raw["etag"], "schema": raw["schema"]}
            new = step.change(raw)
            new["schema"] = step.version
            # The etag stays: for the callers who hold it nothing has changed.
            changed += (await documents.replace_one(old, new)).matched_count
            crashpoint("migrations.after_document")
            if record["lease_time"] - now() < LEASE / 2:
                renewed = {**record, "etag": new_etag(), "lease_time": now() + LEASE}
                if not await _swap(database, record, renewed):
                    log.warning("migration.lease_lost", collection=collection, version=step.version)
                    return
                record = renewed
    entry = {"version": step.version, "name": step.name, "time": started, "documents": changed}
    done = {**record, "etag": new_etag(), "version": step.version, "owner": "", "history": [*record["history"], entry]}
    if await _swap(database, record, done):
        log.info("migration.done", collection=collection, version=step.version, step=step.name, documents=changed)


async def _swap(database: "Database", old: dict[str, Any], new: dict[str, Any]) -> bool:
    result = await database.raw("_schema").replace_one({"_id": old["_id"], "etag": old["etag"]}, new)
    return bool(result.matched_count)
