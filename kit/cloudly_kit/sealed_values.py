"""What a service keeps sealed: counted by master key, and wrapped anew when that has changed.

A service that has such collections names them in its `sealed.py`, serves what is counted (`serve_sealed_values`), and
has the task that `rewrap_task` makes. auth sets all of them to work (cloudly_auth/master_keys.py).
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog
from cloudly.sealed.v1 import sealed_value_pb2 as pb
from cloudly.sealed.v1 import sealed_value_pb2_grpc

from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.crypto import CannotOpen, Envelope, Sealed
from cloudly_kit.errors import FailedPrecondition
from cloudly_kit.jobs.run import Run
from cloudly_kit.jobs.task import Result, Task, task
from cloudly_kit.runtime import Runtime
from cloudly_kit.sealed_fields import sealed_in, with_each_sealed
from cloudly_kit.store import Collection, Document

PERMISSION = "keys.manage"
MOST_ROUNDS = 8
"""How often a rewrap looks for what was written beside it before it gives up."""
FOLLOWED_SECONDS = 30.0
"""So long a worker may take to follow the master keys; a command is run again every five seconds at most."""
SHOWN = 20

P = TypeVar("P")
log = structlog.get_logger()


@dataclass
class Census:
    """What is sealed, by the id of the master key, and where that cannot be opened."""

    counts: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)


class SealedValues:
    """All sealed values of one service."""

    def __init__(self, envelope: Envelope, collections: Sequence[Collection[Any]]) -> None:
        self.envelope = envelope
        self._collections = collections

    async def census(self) -> Census:
        """Look at every value; those under earlier keys are tried to open."""
        census = Census()
        current = self.envelope.keys.present().current
        for collection in self._collections:
            async for document in collection.every():
                for sealed, context in sealed_in(document):
                    census.counts[sealed.master_key_id] += 1
                    if sealed.master_key_id != current and not self.envelope.opens(sealed, context):
                        census.unreadable.append(f"{collection.name}/{document.id}")
        return census

    async def rewrap(self, run: Run) -> Result:
        """Wrap everything with the current master key.

        Documents keep their etags and times, so that nobody who edits one is disturbed; an edit that comes in between
        wins, and what it wrote is taken in the next round. Killed and begun again it finds what is left.

        Raises:
            FailedPrecondition: this process seals with another key than the one that was ordered, or a value cannot be
                opened.
        """
        current = await self._followed(run.parameters.get("key", ""))
        for number in range(MOST_ROUNDS):
            # What others were writing at that moment is better met a little later.
            await asyncio.sleep(0.1 * 2**number if number else 0)
            census = await self.census()
            if census.unreadable:
                raise FailedPrecondition(unreadable_text("here", census.unreadable, len(census.unreadable)))
            left = census.counts.total() - census.counts[current]
            if "found" not in run.checkpointed:
                await run.checkpoint({"found": left})
            found = int(run.checkpointed["found"])
            if not left:
                return {"rewrapped": found, "values": dict(census.counts)}
            done = max(0, found - left)
            for collection in self._collections:
                async for document in collection.every():
                    if rewrapped := await self._rewrap(collection, document):
                        done += rewrapped
                        await run.progress(done, max(found, done), collection.name)
                        crashpoint("sealed_values.rewrapped")
        raise FailedPrecondition(
            f"values under other keys than {current} keep being written: do all processes follow it?"
        )

    async def _followed(self, ordered: str) -> str:
        """The current key, which is the one that was ordered, perhaps a little later."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + FOLLOWED_SECONDS
        while (current := self.envelope.keys.present().current) != ordered and ordered:
            if loop.time() > deadline:
                raise FailedPrecondition(f"this worker seals with the master key {current}, not with {ordered}")
            self.envelope.keys.missed()
            await asyncio.sleep(1)
        return current

    async def _rewrap(self, collection: Collection[Any], document: Document) -> int:
        count = 0

        def changed(sealed: Sealed, context: str) -> Sealed:
            nonlocal count
            rewrapped = self.envelope.rewrap(sealed, context)
            count += rewrapped is not sealed
            return rewrapped

        try:
            recoded = with_each_sealed(document, changed)
        except CannotOpen:
            # Written since the census; the next one tells of it.
            log.warning("sealed_values.unreadable", collection=collection.name, id=document.id)
            return 0
        if recoded is document:
            return 0
        crashpoint("sealed_values.before_write")
        return count if await collection.recode(document, recoded) else 0


class SealedValueServicer(sealed_value_pb2_grpc.SealedValueServiceServicer):
    """cloudly.sealed.v1.SealedValueService over the values of one service."""

    def __init__(self, values: SealedValues) -> None:
        self._values = values

    async def CountSealedValues(
        self, request: pb.CountSealedValuesRequest, context: Any
    ) -> pb.CountSealedValuesResponse:
        """What is sealed with which key."""
        keys = self._values.envelope.keys.present()
        census = await self._values.census()
        return pb.CountSealedValuesResponse(
            counts=census.counts,
            current_key_id=keys.current,
            known_key_ids=list(keys.keys),
            unreadable=census.unreadable[:SHOWN],
            unreadable_count=len(census.unreadable),
        )


def serve_sealed_values(process: Runtime, values: SealedValues) -> None:
    """Have a service's gRPC process tell auth what is sealed."""
    process.serve(sealed_value_pb2_grpc.add_SealedValueServiceServicer_to_server, SealedValueServicer(values))


def rewrap_task_name(service: str) -> str:
    """The name of a service's task that wraps its values anew."""
    return f"rewrap-{service}-secrets"


def rewrap_task(service: str, values_of: Callable[[P], SealedValues]) -> Task[P]:
    """That task; `values_of` finds the values among what the service's tasks get."""

    @task(
        rewrap_task_name(service),
        timeout_seconds=6 * 3600,
        description=f"Seals the secrets of {service} anew with the current master key; part of every rotation.",
        category="security",
        permission=PERMISSION,
    )
    async def rewrap(run: Run, parts: P) -> Result:
        return await values_of(parts).rewrap(run)

    return rewrap


def unreadable_text(where: str, places: Sequence[str], count: int) -> str:
    """Of values that no key opens, for people."""
    shown = ", ".join(places[:SHOWN]) + (", …" if count > SHOWN else "")
    return (
        f"{count} sealed values {where} open with none of the master keys: {shown}. "
        "Add the key that sealed them behind the others, or set these values anew"
    )
