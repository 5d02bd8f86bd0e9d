"""The part that every resource has in common, between its document and its message."""

from datetime import datetime
from typing import Any, TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from cloudly_kit.identity import caller
from cloudly_kit.store import Document, PageRequest, RequestKey

M = TypeVar("M", bound=Message)


def timestamp(time: datetime | None) -> Timestamp | None:
    """A point in time as a message; None stays None."""
    if time is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp


def with_metadata(message: M, document: Document, *, etag: str = "") -> M:
    """Fill in id, labels, times and etag from the document (`etag` instead of the document's where given)."""
    resource: Any = message
    resource.id = document.id
    resource.etag = etag or document.etag
    resource.labels.update(document.labels)
    for name in ("create_time", "update_time", "delete_time"):
        time = getattr(document, name)
        if time is not None:
            getattr(resource, name).FromDatetime(time)
    return message


def page_request(request: Any) -> PageRequest:
    """The paging fields of a List request, bound to the caller."""
    return PageRequest(
        page_size=request.page_size,
        page_token=request.page_token,
        filter=getattr(request, "filter", ""),
        order_by=getattr(request, "order_by", ""),
        caller=caller().actor.id,
    )


def request_key(request: Any) -> RequestKey | None:
    """The idempotency key of a Create request, bound to the caller and to what is asked; None where it has none."""
    if not request.request_id:
        return None
    body = type(request)()
    body.CopyFrom(request)
    body.ClearField("request_id")
    return RequestKey.of(caller().actor.id, request.request_id, body.SerializeToString(deterministic=True))
