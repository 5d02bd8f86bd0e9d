"""Rotation of the master key, in all services, while they run.

Every step looks at what is there and does what is missing, so that whoever takes over from a dead worker finishes it:

    survey     everything that is sealed can be opened, or nothing is begun
    new key    added to the keys file, seen by every service, then promoted; where keys are given, the first one is it
    rewrap     each service wraps its values, under an execution of its own
    report     what is sealed with which key now
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any, Protocol, TypeVar

import structlog
from cloudly_kit.errors import DeadlineExceeded, FailedPrecondition, Unavailable
from cloudly_kit.hints import Hints
from cloudly_kit.jobs import Execution, Executions, Run
from cloudly_kit.leases import Lease
from cloudly_kit.master_keys import HINT, MasterKeys
from cloudly_kit.sealed_values import unreadable_text
from cloudly_kit.store import RequestKey

HOLDERS = ("auth", "registry")
"""The services that keep sealed values; a test of the house compares it with what they store."""
ROTATE, DROP = "rotate-master-key", "drop-previous-master-keys"
FOLLOWED_SECONDS = 90.0
"""So long services may take to follow the keys: commands are run again every minute."""
LOOK_SECONDS = 0.5
AWAY_SECONDS = 2.0
DROP_AFTER = timedelta(minutes=15)
"""So long an earlier key opens what is not in the database: challenges of logins (up to ten minutes), writes in flight."""
DOCS = "see docs/master-keys.md"

T = TypeVar("T")
log = structlog.get_logger()


@dataclass(frozen=True)
class Holding:
    """What a service keeps sealed, and what the process that told so seals and opens with."""

    counts: Mapping[str, int]
    """By the id of the master key."""
    current: str
    known: frozenset[str]
    unreadable: Sequence[str] = ()
    unreadable_count: int = 0


@dataclass(frozen=True)
class Rewrap:
    """How far a service's rewrap is."""

    ended: bool
    failure: str = ""
    done: int = 0
    total: int = 0
    rewrapped: int = 0


class Holder(Protocol):
    """A service that keeps sealed values. Every method raises Unavailable when it is away."""

    name: str

    async def holding(self) -> Holding:
        """What it keeps."""
        ...

    async def begin_rewrap(self, key_id: str, order: str) -> str:
        """Have it wrap everything with a key; the execution's id."""
        ...

    async def rewrap(self, execution_id: str) -> Rewrap:
        """How far that is."""
        ...


class State(StrEnum):
    """See MasterKeyState in key.proto."""

    CURRENT = "current"
    WAITING = "waiting"
    EARLIER = "earlier"
    ABSENT = "absent"


@dataclass(frozen=True)
class MasterKey:
    """A master key as it is shown."""

    id: str
    state: State
    source: str
    retire_time: datetime | None = None
    sealed: Mapping[str, int] = field(default_factory=dict)
    """How many values of each service."""


class MasterKeyRotation:
    """Lists, rotates and drops master keys."""

    def __init__(self, keys: MasterKeys, holders: Sequence[Holder], hints: Hints, lease: Lease) -> None:
        self._keys = keys
        self._holders = holders
        self._hints = hints
        self._lease = lease

    async def survey(self) -> Mapping[str, Holding]:
        """What every service keeps.

        Raises:
            Unavailable: one does not answer.
        """
        holdings = await asyncio.gather(*(holder.holding() for holder in self._holders))
        return {holder.name: holding for holder, holding in zip(self._holders, holdings, strict=True)}

    async def all(self) -> list[MasterKey]:
        """All keys, the current one first, and the names of keys that are not here. Raises Unavailable."""
        holdings = await self.survey()
        present = self._keys.present()
        filed = self._keys.file.read().keys if self._keys.file.stamp() is not None else {}
        named = {id for holding in holdings.values() for id in holding.counts}

        def shown(id: str, state: State) -> MasterKey:
            source = "keys file" if id in filed else self._keys.source if id in present.keys else ""
            sealed = {name: count for name, held in holdings.items() if (count := held.counts.get(id, 0))}
            return MasterKey(id, state, source, present.retired.get(id), sealed)

        waiting = present.waiting if self._keys.source == "keys file" else None
        earlier = [id for id in present.keys if id not in (present.current, waiting)]
        return [
            shown(present.current, State.CURRENT),
            *(shown(id, State.WAITING) for id in filter(None, [waiting])),
            *(shown(id, State.EARLIER) for id in earlier),
            *(shown(id, State.ABSENT) for id in sorted(named - set(present.keys))),
        ]

    async def check_rotation(self) -> Mapping[str, Holding]:
        """What every service keeps, all of which opens: a rotation can begin.

        Raises:
            FailedPrecondition: something that is sealed cannot be opened.
            Unavailable: a service does not answer.
        """
        holdings = await self.survey()
        for name, holding in holdings.items():
            if holding.unreadable_count:
                raise FailedPrecondition(
                    unreadable_text(f"in {name}", holding.unreadable, holding.unreadable_count) + f"; {DOCS}"
                )
        return holdings

    async def check_order(self) -> None:
        """As `check_rotation`, for somebody who wants another key: where keys are given, there has to be a new one.

        Raises:
            FailedPrecondition: also when the first of the given keys seals everything already.
        """
        holdings = await self.check_rotation()
        current = self._keys.present().current
        if self._keys.source != "keys file" and all(set(held.counts) <= {current} for held in holdings.values()):
            raise FailedPrecondition(
                f"the master keys come from the {self._keys.source}, and everything is sealed with the first one there "
                f"already: put a new key in front of it; {DOCS}"
            )

    async def rotate(self, run: Run) -> Mapping[str, Any]:
        """One rotation, whatever the number of attempts it takes. Raises as `check_rotation`, and where it gets stuck."""
        async with self._lease.held():
            await _patiently(self.check_rotation)
            current = await self._new_current(run)
            await self._hints.publish(HINT)
            await self._until_everywhere(
                lambda held: held.current == current, f"seal with another master key than {current}"
            )
            rewrapped = await self._rewrap_everywhere(run, current)
            holdings = await _patiently(self.survey)
        log.info("auth.master_key_rotated", key=current, rewrapped=rewrapped)
        return {
            "key": current,
            "rewrapped": rewrapped,
            "values": {name: dict(holding.counts) for name, holding in holdings.items()},
        }

    async def check_drop(self) -> set[str]:
        """The ids of the earlier keys, which nothing needs.

        Raises:
            FailedPrecondition: there are none, or one is needed still, or perhaps.
            Unavailable: a service does not answer.
        """
        present = self._keys.present()
        if self._keys.source != "keys file":
            raise FailedPrecondition(
                f"the master keys come from the {self._keys.source}: take earlier ones out there, once "
                f"`cloudly auth list-master-keys` says that nothing is sealed with them; {DOCS}"
            )
        if not present.retired:
            raise FailedPrecondition("there is no earlier master key")
        for name, holding in (await self.survey()).items():
            needed = sum(holding.counts.values()) - holding.counts.get(present.current, 0)
            if needed:
                raise FailedPrecondition(
                    f"{needed} values of {name} are sealed with earlier keys: `cloudly auth rotate-master-key` first"
                )
        until = max(present.retired.values()) + DROP_AFTER
        if until > datetime.now(UTC):
            raise FailedPrecondition(
                f"logins that are under way may still need the earlier key: try again after {until:%H:%M:%S} UTC"
            )
        return set(present.retired)

    async def drop(self, run: Run) -> Mapping[str, Any]:
        """Forget the earlier keys. Raises as `check_drop`."""
        async with self._lease.held():
            dropped = set(run.checkpointed.get("drops", ()))
            if not dropped or dropped & set(self._keys.present().keys):
                dropped = await _patiently(self.check_drop)
                await run.checkpoint({"drops": sorted(dropped)})
                await self._write(lambda: self._keys.file.drop(dropped))
        log.info("auth.master_keys_dropped", keys=sorted(dropped))
        return {"dropped": sorted(dropped)}

    async def _new_current(self, run: Run) -> str:
        if self._keys.source != "keys file":
            return (await asyncio.to_thread(self._keys.look_again)).current
        current = self._keys.present().current
        if "replaces" not in run.checkpointed:
            await run.checkpoint({**run.checkpointed, "replaces": current})
        if current != run.checkpointed["replaces"]:
            return current  # an attempt before this one came so far
        waiting = await self._write(self._keys.file.add)
        await self._until_everywhere(lambda held: waiting in held.known, "do not see the new master key")
        await self._write(lambda: self._keys.file.promote(waiting))
        return waiting

    async def _write(self, write: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(write)
        except OSError as error:
            raise FailedPrecondition(
                f"auth's worker cannot write {self._keys.file.path} ({error.strerror}); {DOCS}"
            ) from error

    async def _until_everywhere(self, holds: Callable[[Holding], bool], complaint: str) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + FOLLOWED_SECONDS
        while behind := [name for name, holding in (await _patiently(self.survey)).items() if not holds(holding)]:
            if loop.time() > deadline:
                raise FailedPrecondition(
                    f"{' and '.join(behind)} {complaint}: all processes need the same master keys; {DOCS}"
                )
            await asyncio.sleep(LOOK_SECONDS)

    async def _rewrap_everywhere(self, run: Run, current: str) -> dict[str, int]:
        number = int(run.checkpointed.get("number", 0))
        order = f"{run.id}-{number}"
        begun = [(holder, await _patiently(partial(holder.begin_rewrap, current, order))) for holder in self._holders]
        while True:
            states = {holder.name: await _patiently(partial(holder.rewrap, id)) for holder, id in begun}
            told = ", ".join(f"{name} {state.done}/{state.total}" for name, state in states.items())
            await run.progress(
                sum(state.done for state in states.values()), sum(state.total for state in states.values()), told
            )
            if all(state.ended for state in states.values()):
                break
            await asyncio.sleep(LOOK_SECONDS)
        failures = [f"{name}: {state.failure}" for name, state in states.items() if state.failure]
        if failures:
            # What has failed is ordered anew by the next attempt.
            await run.checkpoint({**run.checkpointed, "number": number + 1})
            raise FailedPrecondition("; ".join(failures))
        return {name: state.rewrapped for name, state in states.items()}


class MasterKeyOrders:
    """Starts rotations and drops, one at a time."""

    def __init__(self, rotation: MasterKeyRotation, executions: Executions) -> None:
        self._rotation = rotation
        self._executions = executions

    async def rotate(self, actor: str, request: RequestKey | None) -> Execution:
        """Start a rotation; a repeated request answers the one that it started before.

        Raises:
            FailedPrecondition: another one is under way, there is no new key to rotate to, or as `check_rotation`.
        """
        return await self._order(ROTATE, self._rotation.check_order, actor, request)

    async def drop(self, actor: str, request: RequestKey | None) -> Execution:
        """Start forgetting the earlier keys. Raises as `rotate`, and as `check_drop`."""
        return await self._order(DROP, self._rotation.check_drop, actor, request)

    async def _order(
        self, task: str, check: Callable[[], Awaitable[object]], actor: str, request: RequestKey | None
    ) -> Execution:
        if made := await self._executions.made_by(request):
            return made
        for record in await self._executions.unfinished():
            if record.task in (ROTATE, DROP):
                raise FailedPrecondition(f"{record.task} is under way: `cloudly execution watch {record.id}`")
        await check()
        return await self._executions.create(task, actor=actor, request=request)


async def _patiently(call: Callable[[], Awaitable[T]]) -> T:
    """What a call answers once its service is there; the deadline of the work around it ends the wait."""
    while True:
        try:
            return await call()
        except (Unavailable, DeadlineExceeded) as error:
            log.warning("auth.master_key.waits", error=error.message)
            await asyncio.sleep(AWAY_SECONDS)
