"""Rows: plain documents under ids that say everything, many of them in few round trips."""

from collections.abc import Sequence
from typing import Any

from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo.errors import BulkWriteError

from cloudly_kit.store.database import Rerun, Session

_DUPLICATE = 11000


async def write_rows(
    collection: AsyncIOMotorCollection[dict[str, Any]], rows: Sequence[dict[str, Any]], session: Session
) -> None:
    """Store rows, replacing those of the same ids. New ones are inserted together: that costs a third of an upsert each."""
    by_id = {row["_id"]: row for row in rows}
    if not by_id:
        return
    known = {
        row["_id"] async for row in collection.find({"_id": {"$in": list(by_id)}}, {"_id": 1}, session=session.raw)
    }
    for id in known:
        await collection.replace_one({"_id": id}, by_id[id], session=session.raw)
    new = [row for id, row in by_id.items() if id not in known]
    try:
        if new:
            await collection.insert_many(new, session=session.raw)
    except BulkWriteError as error:
        failures = (error.details or {}).get("writeErrors", [])
        if any(failure["code"] == _DUPLICATE for failure in failures):
            raise Rerun from error  # another transaction has inserted it since this one began
        raise
