"""Backup policies: when which workloads are backed up, and how many backups are kept."""

from collections.abc import Callable
from datetime import UTC, datetime

import structlog
from cloudly.backups.v1 import policy_pb2
from cloudly_kit.cron import check_schedule, latest_slot, next_slots
from cloudly_kit.errors import InvalidArgument, StaleEtag
from cloudly_kit.ids import new_etag, new_id
from cloudly_kit.resources import timestamp, with_metadata
from cloudly_kit.store import Page, PageRequest, RequestKey

from cloudly_backups.store import BackupsStore, PolicyDocument

DEFAULT_KEEP_LAST = 24
SHOWN_TIMES = 3

log = structlog.get_logger()


class Policies:
    """The rules of policies."""

    def __init__(self, store: BackupsStore) -> None:
        self._store = store

    async def create(self, wish: policy_pb2.Policy, request: RequestKey | None) -> PolicyDocument:
        """Make a policy; a repeated request answers the one it made before.

        Raises:
            InvalidArgument: the schedule never comes.
            AlreadyExists: the name is taken.
        """
        now = datetime.now(UTC)
        check_wish(wish)
        document, repeated = await self._store.policies.insert(
            PolicyDocument(
                id=new_id(),
                name=wish.name,
                labels=dict(wish.labels),
                wish_etag=new_etag(),
                schedule=wish.schedule,
                workload_ids=list(wish.workload_ids),
                keep_last=wish.keep_last or DEFAULT_KEEP_LAST,
                enabled=wish.enabled,
                planned_time=latest_slot(wish.schedule, now),
            ),
            request=request,
        )
        if not repeated:
            log.info("policy.created", policy=document.id, name=document.name)
        return document

    async def get(self, policy_id: str) -> PolicyDocument:
        """One policy.

        Raises:
            NotFound: there is none with this id.
        """
        return await self._store.policies.get(policy_id)

    async def list(self, request: PageRequest) -> Page[PolicyDocument]:
        """A page of policies."""
        return await self._store.policies.page(["-"], request)

    async def update(
        self, policy_id: str, change: Callable[[policy_pb2.Policy], policy_pb2.Policy], etag: str
    ) -> PolicyDocument:
        """Set the policy to what `change` makes of it as it is.

        Raises:
            NotFound: there is no such policy.
            StaleEtag: somebody changed it since `etag`.
            InvalidArgument: `change` refuses, or the new schedule never comes.
            AlreadyExists: the name is taken.
        """
        now = datetime.now(UTC)

        def mutate(found: PolicyDocument) -> PolicyDocument | None:
            check_wish_etag(found, etag)
            wish = change(to_message(found, now))
            check_wish(wish)
            changed = found.model_copy(
                update={
                    "name": wish.name,
                    "labels": dict(wish.labels),
                    "schedule": wish.schedule,
                    "workload_ids": list(wish.workload_ids),
                    "keep_last": wish.keep_last or DEFAULT_KEEP_LAST,
                    "enabled": wish.enabled,
                }
            )
            if changed == found:
                return None
            if changed.schedule != found.schedule or (changed.enabled and not found.enabled):
                # What passed under another schedule, or while it was off, was never due.
                changed = changed.model_copy(update={"planned_time": latest_slot(changed.schedule, now)})
            return changed.model_copy(update={"wish_etag": new_etag()})

        document = await self._store.policies.change(policy_id, mutate)
        log.info("policy.updated", policy=policy_id)
        return document

    async def delete(self, policy_id: str, etag: str) -> None:
        """Delete a policy; what it had backed up stays.

        Raises:
            NotFound: there is no such policy.
            StaleEtag: somebody changed it since `etag`.
        """
        found = await self._store.policies.get(policy_id)
        check_wish_etag(found, etag)
        # With an etag given, a write of anybody in between is refused as well.
        await self._store.policies.delete(policy_id, etag=found.etag if etag else "")
        log.info("policy.deleted", policy=policy_id)


def check_wish(wish: policy_pb2.Policy) -> None:
    """Refuse a schedule that is none, or that never comes.

    Raises:
        InvalidArgument: it is so.
    """
    try:
        check_schedule(wish.schedule)
    except ValueError as error:
        raise InvalidArgument.of(("policy.schedule", str(error))) from error


def check_wish_etag(document: PolicyDocument, etag: str) -> None:
    """Refuse a write that was made for an earlier wish."""
    if etag and etag != document.wish_etag:
        raise StaleEtag("policy", document.id, document.wish_etag)


def to_message(document: PolicyDocument, now: datetime) -> policy_pb2.Policy:
    """The policy as clients see it at a time."""
    following = next_slots(document.schedule, now, SHOWN_TIMES) if document.enabled else []
    message = policy_pb2.Policy(
        name=document.name,
        schedule=document.schedule,
        workload_ids=document.workload_ids,
        keep_last=document.keep_last,
        enabled=document.enabled,
        next_times=[stamp for time in following if (stamp := timestamp(time))],
    )
    return with_metadata(message, document, etag=document.wish_etag)
