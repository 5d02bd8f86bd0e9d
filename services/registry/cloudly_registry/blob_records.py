"""Recording finished uploads as blobs: those that end at the same time share a transaction.

A transaction costs as much for one blob as for ten, and an image has many layers that come at once.
"""

import asyncio
import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial

from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.errors import Unavailable
from cloudly_kit.objects import ObjectStat, ObjectStore
from cloudly_kit.store import Session
from cloudly_kit.store.documents import now

from cloudly_registry.documents import Blob
from cloudly_registry.store import RegistryStore

_AT_ONCE = 50
WAIT_SECONDS = 0.01
"""For uploads that are coming; about as long as the transaction that is saved."""


@dataclass(frozen=True)
class _Finished:
    """An upload whose bytes are stored and checked."""

    image_id: str
    digest: str
    stored: ObjectStat
    recorded: asyncio.Future[Blob]


class BlobRecords:
    """While one transaction runs, what ends meanwhile waits for the next, which waits a little for who is about to end."""

    def __init__(self, store: RegistryStore, objects: ObjectStore, wait_seconds: float = WAIT_SECONDS) -> None:
        self._wait_seconds = wait_seconds
        self._store = store
        self._objects = objects
        self._waiting: list[_Finished] = []
        self._writing: asyncio.Task[None] | None = None
        self._coming = 0
        self._all_here = asyncio.Event()

    @contextmanager
    def coming(self) -> Iterator[None]:
        """Around what an upload does right before it is recorded."""
        self._coming += 1
        self._all_here.clear()
        try:
            yield
        finally:
            self._coming -= 1
            if self._coming == 0:
                self._all_here.set()

    async def record(self, image_id: str, digest: str, stored: ObjectStat) -> Blob:
        """Let a repository read what was uploaded; from here on it is visible.

        The answer's bytes are those of `stored`, or the same ones that were here before.
        """
        recorded: asyncio.Future[Blob] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Finished(image_id, digest, stored, recorded))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write(), name="blob-records")
        return await recorded

    async def _write(self) -> None:
        try:
            while self._waiting:
                if self._coming:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._all_here.wait(), self._wait_seconds)
                batch = self._waiting[:_AT_ONCE]
                del self._waiting[:_AT_ONCE]
                try:
                    outcomes = await self._store.transaction(partial(self._commit, batch, itertools.count()))
                except Exception as error:  # noqa: BLE001 - all who wait are told
                    outcomes = [error] * len(batch)
                for finished, outcome in zip(batch, outcomes, strict=True):
                    if finished.recorded.done():
                        continue  # whoever waited was cancelled
                    if isinstance(outcome, Exception):
                        finished.recorded.set_exception(outcome)
                    else:
                        finished.recorded.set_result(outcome)
        finally:
            self._writing = None
            for finished in self._waiting:
                finished.recorded.cancel()

    async def _commit(
        self, batch: Iterable[_Finished], runs: Iterator[int], session: Session
    ) -> list[Blob | Exception]:
        # Who pushes a blob has mostly asked for it before, so the first run takes it for new. If one is here, or a link of a
        # record that was lost, storing it fails, and the next run asks.
        asked = next(runs) > 0
        blobs = await self._store.blobs({finished.digest for finished in batch}, session) if asked else {}
        known_before = set(blobs)
        outcomes: list[Blob | Exception] = []
        links: dict[tuple[str, str], Blob] = {}
        for finished in batch:
            known = blobs.get(finished.digest)
            try:
                intact = known is not None and await self._intact(known, finished.stored)
            except Unavailable as error:
                outcomes.append(error)
                continue
            if known is None or not intact:
                # Its object may be lost: then this push heals it.
                stored = finished.stored
                known = Blob(id=finished.digest, key=stored.key, size=stored.size, create_time=now())
                blobs[finished.digest] = known
            links[finished.image_id, finished.digest] = known
            outcomes.append(known)
        used = {blob.id: blob for blob in links.values()}
        rows = [(image_id, blob) for (image_id, _), blob in links.items()]
        await self._store.write_blobs(used.values(), rows, session, known=known_before, linked=used if asked else ())
        crashpoint("registry.blob.before_commit")
        return outcomes

    async def _intact(self, known: Blob, stored: ObjectStat) -> bool:
        if known.lost_since is not None:
            return False
        if known.key == stored.key:
            return True
        found = await self._objects.stat(known.key)
        return found is not None and found.size == stored.size
