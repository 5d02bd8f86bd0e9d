"""The executions of all services as one: routed to their owner by the prefix of the id, listed newest first."""

import asyncio
import base64
import binascii
import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

import structlog
from cloudly.executions.v1 import execution_pb2 as pb
from cloudly_kit.errors import DeadlineExceeded, InvalidPageToken, NotFound, Unavailable, Unimplemented

from cloudly_tasks.owners import Owner

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 200

log = structlog.get_logger()


@dataclass(frozen=True)
class Position:
    """Where a list of all executions goes on.

    Each owner's page is fetched again from `tokens` (None: it has no more) and what was shown is passed over: all that is
    newer than `time_ns`, and of that very moment `ids`. So pages neither repeat nor skip, whatever is created meanwhile.
    """

    tokens: Mapping[str, str | None] = field(default_factory=dict)
    time_ns: int | None = None
    ids: tuple[str, ...] = ()

    def passed(self, execution: pb.Execution) -> bool:
        """Whether it was shown on an earlier page, or would have been."""
        if self.time_ns is None:
            return False
        time_ns = execution.create_time.ToNanoseconds()
        return time_ns > self.time_ns or (time_ns == self.time_ns and execution.id in self.ids)

    def behind(self, shown: list[pb.Execution], tokens: Mapping[str, str | None]) -> "Position":
        """The position behind a page that showed these."""
        if not shown:
            return Position(tokens, self.time_ns, self.ids)
        time_ns = shown[-1].create_time.ToNanoseconds()
        ids = [execution.id for execution in shown if execution.create_time.ToNanoseconds() == time_ns]
        return Position(tokens, time_ns, (*(self.ids if time_ns == self.time_ns else ()), *ids))


class Cursor:
    """A place in one owner's list."""

    def __init__(self, owner: Owner, request: pb.ListExecutionsRequest, position: Position) -> None:
        self._owner = owner
        self._request = request
        self._position = position
        self._entries: list[pb.Execution] = []
        self._next: str | None = position.tokens.get(owner.name, "")
        self.token = self._next
        """From where the owner's page has to be fetched to go on here; None: it has no more."""
        self.away = False

    async def head(self) -> pb.Execution | None:
        """The next execution that was not shown; None when there is none, or the owner is away."""
        while not self._entries and self._next is not None and not self.away:
            await self._fetch(self._next)
        if not self._entries and not self.away:
            self.token = None
        return self._entries[0] if self._entries else None

    def take(self) -> None:
        """Go on behind the head."""
        self._entries.pop(0)
        if not self._entries:
            self.token = self._next

    async def _fetch(self, token: str) -> None:
        request = pb.ListExecutionsRequest()
        request.CopyFrom(self._request)
        request.page_token = token
        try:
            page = await self._owner.list_executions(request)
        except Unimplemented:
            # A version that has no execution service has no executions to show.
            page = pb.ListExecutionsResponse()
        except (Unavailable, DeadlineExceeded) as error:
            log.warning("executions.owner_left_out", owner=self._owner.name, error=error.message)
            self.away = True
            return
        self._entries = [execution for execution in page.executions if not self._position.passed(execution)]
        self.token = token
        self._next = page.next_page_token or None


class AllExecutions:
    """The rules of the view over all executions."""

    def __init__(self, owners: Mapping[str, Owner]) -> None:
        self._owners = owners

    def owner_of(self, execution_id: str) -> Owner:
        """Whose it is, by the id's prefix.

        Raises:
            NotFound: no service has such ids.
        """
        owner = self._owners.get(execution_id.partition("-")[0])
        if owner is None:
            raise NotFound("execution", execution_id)
        return owner

    async def get(self, request: pb.GetExecutionRequest) -> pb.GetExecutionResponse:
        """One execution. Raises DomainError as its owner does."""
        return await self.owner_of(request.execution_id).get_execution(request)

    async def cancel(self, request: pb.CancelExecutionRequest) -> pb.CancelExecutionResponse:
        """Ask one to stop. Raises DomainError as its owner does."""
        return await self.owner_of(request.execution_id).cancel_execution(request)

    async def watch(self, request: pb.WatchExecutionRequest) -> AsyncIterator[pb.WatchExecutionResponse]:
        """One until it ends. Raises DomainError as its owner does."""
        async for response in self.owner_of(request.execution_id).watch_execution(request):
            yield response

    async def list(
        self, request: pb.ListExecutionsRequest, caller_id: str
    ) -> tuple[pb.ListExecutionsResponse, list[str]]:
        """A page of all executions, newest first, and the owners that are away, whose executions are left out.

        Raises:
            InvalidPageToken: the token is damaged, or of another list.
            InvalidArgument: an owner refuses the filter or the order.
        """
        size = min(request.page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
        bound = _bound_to(request, caller_id)
        position = _parse(request.page_token, bound)
        asked = pb.ListExecutionsRequest(page_size=size, filter=request.filter, order_by=request.order_by)
        cursors = {name: Cursor(owner, asked, position) for name, owner in self._owners.items()}
        shown: list[pb.Execution] = []
        while len(shown) < size:
            heads = await asyncio.gather(*(cursor.head() for cursor in cursors.values()))
            best = max(
                (
                    (head.create_time.ToNanoseconds(), head.id, name)
                    for name, head in zip(cursors, heads, strict=True)
                    if head
                ),
                default=None,
            )
            if best is None:
                break
            newest = await cursors[best[2]].head()
            assert newest is not None
            shown.append(newest)
            cursors[best[2]].take()
        away = [name for name, cursor in cursors.items() if cursor.away]
        # Owners that are away do not make a next page by themselves: it would be empty as long as they stay away.
        more = any(cursor.token is not None for cursor in cursors.values() if not cursor.away)
        behind = position.behind(shown, {name: cursor.token for name, cursor in cursors.items()})
        return pb.ListExecutionsResponse(executions=shown, next_page_token=_format(behind, bound) if more else ""), away


def _bound_to(request: pb.ListExecutionsRequest, caller_id: str) -> str:
    return hashlib.sha256(f"{caller_id}\0{request.filter}\0{request.order_by}".encode()).hexdigest()[:16]


def _format(position: Position, bound: str) -> str:
    content = {"v": 1, "h": bound, "o": dict(position.tokens), "t": position.time_ns, "i": position.ids}
    return base64.urlsafe_b64encode(json.dumps(content, separators=(",", ":")).encode()).decode().rstrip("=")


def _parse(token: str, bound: str) -> Position:
    if not token:
        return Position()
    try:
        content = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        if content["v"] != 1 or content["h"] != bound:
            raise InvalidPageToken
        tokens = {str(name): None if place is None else str(place) for name, place in content["o"].items()}
        return Position(tokens, int(content["t"]), tuple(map(str, content["i"])))
    except (binascii.Error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidPageToken from error
