"""cloudly.auth.v1.AuditService: the audit log, read only."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from cloudly.auth.v1 import audit_pb2 as pb
from cloudly.auth.v1 import audit_pb2_grpc
from cloudly_kit.resources import page_request, timestamp
from google.protobuf.timestamp_pb2 import Timestamp

from cloudly_auth.audit_log import AuditLog
from cloudly_auth.audit_store import Entry, Resource


class AuditServicer(audit_pb2_grpc.AuditServiceServicer):
    """List, get, export, verify."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit

    async def ListAuditEntries(self, request: pb.ListAuditEntriesRequest, context: Any) -> pb.ListAuditEntriesResponse:
        """A page, newest first."""
        start, end = _time(request, "start_time"), _time(request, "end_time")
        page = await self._audit.page(page_request(request), start, end)
        return pb.ListAuditEntriesResponse(
            entries=[_message(entry) for entry in page.items], next_page_token=page.next_page_token
        )

    async def GetAuditEntry(self, request: pb.GetAuditEntryRequest, context: Any) -> pb.GetAuditEntryResponse:
        """One entry."""
        return pb.GetAuditEntryResponse(entry=_message(await self._audit.get(request.entry_id)))

    async def ExportAuditEntries(
        self, request: pb.ExportAuditEntriesRequest, context: Any
    ) -> AsyncIterator[pb.ExportAuditEntriesResponse]:
        """The chain as it was hashed, part after part."""
        async for entries in self._audit.export(request.after_sequence):
            yield pb.ExportAuditEntriesResponse(lines=[entry.line().decode() for entry in entries])

    async def VerifyAuditLog(self, request: pb.VerifyAuditLogRequest, context: Any) -> pb.VerifyAuditLogResponse:
        """Verify a part of the chain."""
        found = await self._audit.verify(request.after_sequence, request.after_hash)
        answer = pb.VerifyAuditLogResponse(
            entries=found.entries,
            sequence=found.sequence,
            hash=found.hash,
            complete=found.complete,
            checkpoints=found.checkpoints,
            first_sequence=found.first_sequence,
        )
        if found.broken is not None:
            answer.broken.kind = pb.AuditBreakKind.Value(f"AUDIT_BREAK_KIND_{found.broken.kind.upper()}")
            answer.broken.sequence = found.broken.sequence
            answer.broken.message = found.broken.message
        return answer


def _message(entry: Entry) -> pb.AuditEntry:
    return pb.AuditEntry(
        id=entry.event_id,
        sequence=entry.sequence,
        previous_hash=entry.previous_hash,
        hash=entry.hash,
        time=timestamp(entry.time),
        actor=pb.AuditActor(**entry.actor.model_dump()),
        service=entry.service,
        method=entry.method,
        resource=_resource(entry.resource),
        changes=[
            pb.AuditChange(resource=_resource(one.resource), etag_before=one.etag_before, etag_after=one.etag_after)
            for one in entry.changes
        ],
        changes_left_off=entry.changes_left_off,
        remote_address=entry.remote_address,
        user_agent=entry.user_agent,
        result=pb.AuditResult.Value(f"AUDIT_RESULT_{entry.result.upper()}"),
        reason=entry.reason,
        request_id=entry.request_id,
        took_ms=entry.took_ms,
        request=entry.request,
        count=entry.count,
    )


def _resource(resource: Resource) -> pb.AuditResource:
    return pb.AuditResource(**resource.model_dump())


def _time(request: Any, field: str) -> datetime | None:
    stamp: Timestamp = getattr(request, field)
    return stamp.ToDatetime(tzinfo=UTC) if request.HasField(field) else None
