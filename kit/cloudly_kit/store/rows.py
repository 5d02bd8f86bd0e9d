"""Rows: plain documents under ids that say everything, many of them in few round trips."""

from collections.abc import Container, Sequence
from typing import Any

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo.errors import BulkWriteError

from cloudly_kit.store.database import Rerun, Session

_DUPLICATE = 11000


def below(prefix: str) -> dict[str, str]:
    """The condition on a value that it is one of `<prefix>/…`."""
    return {"$gte": f"{prefix}/", "$lt": f"{prefix}0"}  # 0 follows / in ASCII


async def known_ids(
    collection: AsyncIOMotorCollection[dict[str, Any]], ids: Sequence[str], session: Session
) -> set[str]:
    """Those of these ids that have rows."""
    if not ids:
        return set()
    found = collection.find({"_id": {"$in": list(ids)}}, {"_id": 1}, session=session.raw)
    return {row["_id"] for row in await found.to_list(None)}


async def write_rows(
    collection: AsyncIOMotorCollection[dict[str, Any]],
    rows: Sequence[dict[str, Any]],
    session: Session,
    *,
    known: Container[str],
) -> None:
    """Store rows, replacing those whose ids are `known`.

    The others are inserted together: that costs a third of an upsert each. Where one of them is there all the same, the
    transaction is run again.
    """
    new = []
    for row in rows:
        if row["_id"] in known:
            await collection.replace_one({"_id": row["_id"]}, row, session=session.raw)
        else:
            new.append(row)
    try:
        if new:
            await collection.insert_many(new, session=session.raw)
    except BulkWriteError as error:
        failures = (error.details or {}).get("writeErrors", [])
        if any(failure["code"] == _DUPLICATE for failure in failures):
            raise Rerun from error  # another transaction has inserted it since this one began
        raise
