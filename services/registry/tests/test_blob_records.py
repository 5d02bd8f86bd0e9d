"""Uploads that end together are recorded together; the whole way of a blob is in test_uploads."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest
from cloudly_kit.objects import ObjectStat
from cloudly_kit.objects.directory import DirectoryStore
from cloudly_kit.store import Database, Session
from cloudly_registry.blob_records import BlobRecords
from cloudly_registry.documents import Blob
from cloudly_registry.store import RegistryStore

T = TypeVar("T")


class Counted(RegistryStore):
    """Counts its transactions."""

    transactions = 0

    async def transaction(self, work: Callable[[Session], Awaitable[T]]) -> T:
        self.transactions += 1
        return await super().transaction(work)


async def record(records: BlobRecords, objects: DirectoryStore, number: int, seconds: float = 0) -> Blob:
    async def pieces():
        yield b"x"

    with records.coming():
        await asyncio.sleep(seconds)
        stored: ObjectStat = await objects.put(f"registry/blobs/{number}", pieces())
    return await records.record("image", f"sha256:{number}", stored)


@pytest.mark.parametrize(("wait_seconds", "transactions"), [(10, 1), (0.01, 2)])
async def test_a_transaction_waits_for_those_that_are_about_to_end_but_not_for_long(
    database: Database, tmp_path: Path, wait_seconds: float, transactions: int
) -> None:
    store = Counted(database)
    async with DirectoryStore(tmp_path) as objects:
        records = BlobRecords(store, objects, wait_seconds)
        blobs = await asyncio.gather(record(records, objects, 1), record(records, objects, 2, seconds=1))
    assert [blob.id for blob in blobs] == ["sha256:1", "sha256:2"]
    assert store.transactions == transactions


async def test_what_is_here_already_keeps_its_object_beside_what_is_new(database: Database, tmp_path: Path) -> None:
    store = Counted(database)
    async with DirectoryStore(tmp_path) as objects:
        records = BlobRecords(store, objects)
        before = await record(records, objects, 1)
        stored = await objects.stat(before.key)
        assert stored is not None
        again, new = await asyncio.gather(
            records.record("other", before.id, replace(stored, key="registry/blobs/elsewhere")),
            record(records, objects, 2),
        )
        assert again.key == before.key
        assert new.key == "registry/blobs/2"
        links = await store.links_by_id([f"image/{before.id}", f"other/{before.id}", f"image/{new.id}"])
        assert {id: link.key for id, link in links.items()} == {
            f"image/{before.id}": before.key,
            f"other/{before.id}": before.key,
            f"image/{new.id}": new.key,
        }
