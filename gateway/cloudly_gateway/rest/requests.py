"""One HTTP request into one request message: path, query, body and headers."""

from collections.abc import Sequence
from typing import Any, cast
from urllib.parse import parse_qsl

import orjson
from cloudly.options.v1 import options_pb2
from cloudly_kit.contract import field_rules
from cloudly_kit.errors import InvalidArgument, Violation
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from starlette.datastructures import Headers

from cloudly_gateway.problems import HttpProblem
from cloudly_gateway.rest import reading
from cloudly_gateway.rest.routes import Binding

MASK = "update_mask"
ETAG = "etag"
REQUEST_ID = "request_id"
CURSOR = "cursor"


def read_request(binding: Binding, values: Sequence[str], query: bytes, headers: Headers, body: bytes) -> Message:
    """The request message.

    Raises:
        InvalidArgument: naming every field that cannot be read.
        HttpProblem: the body is of another media type than JSON.
    """
    message = binding.method.request_class()
    found: reading.Found = []
    given = _read_body(binding, message, headers, body, found) if binding.has_body and not binding.octets else {}
    for path, value in zip(binding.fields, values, strict=True):
        _read_path(message, path, value, found)
    _read_query(binding, message, query, found)
    _read_headers(binding, message, headers, found)
    if MASK in message.DESCRIPTOR.fields_by_name and binding.body and not message.HasField(MASK):
        mask: FieldMask = getattr(message, MASK)
        mask.paths.extend(_changed(binding, given))
        mask.SetInParent()
    if found:
        raise InvalidArgument.of(*found)
    return message


def _read_body(
    binding: Binding, message: Message, headers: Headers, body: bytes, found: reading.Found
) -> dict[str, Any]:
    media_type = headers.get("content-type", "application/json").split(";")[0].strip().lower()
    if body and media_type != "application/json" and not media_type.endswith("+json"):
        wanted = InvalidArgument(f"the body must be application/json, not {media_type}")
        raise HttpProblem(wanted, 415, {"accept": "application/json"})
    given = parse_json(body) if body.strip() else {}
    if binding.body:
        target = getattr(message, binding.body)
        target.SetInParent()
        reading.read_object(target, given, f"{binding.body}.", found)
    else:
        reading.read_object(message, given, "", found)
    return given if isinstance(given, dict) else {}


def parse_json(body: bytes) -> Any:
    """JSON out of bytes.

    Raises:
        InvalidArgument: it is not JSON.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidArgument.of(("body", f"is not JSON: {error}")) from error


def _read_path(message: Message, path: str, value: str, found: reading.Found) -> None:
    target, field = _descend(message, path)
    before = getattr(target, field.name)
    if before and str(before) != value:
        found.append(Violation(path, "differs from the one in the path"))
        return
    reading.read_text(target, field, value, path, found)


def _descend(message: Message, path: str) -> tuple[Message, FieldDescriptor]:
    *parents, last = path.split(".")
    for parent in parents:
        message = getattr(message, parent)
        message.SetInParent()
    return message, cast("FieldDescriptor", message.DESCRIPTOR.fields_by_name[last])


def _read_query(binding: Binding, message: Message, query: bytes, found: reading.Found) -> None:
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=1000)
    except (UnicodeDecodeError, ValueError) as error:
        found.append(Violation("query", f"cannot be read: {error}"))
        return
    taken = {binding.body, binding.octets, *(path.split(".")[0] for path in binding.fields)}
    whole_body = binding.has_body and not binding.body and not binding.octets
    seen = set()
    for name, value in pairs:
        field = None if whole_body else reading.find_field(message.DESCRIPTOR, name)
        if field is None or field.name in taken:
            found.append(Violation(name, "there is no such query parameter"))
        elif field.name in seen and not field.is_repeated:
            found.append(Violation(field.name, "is given twice"))
        else:
            seen.add(field.name)
            reading.read_text(message, field, value, field.name, found)


def _read_headers(binding: Binding, message: Message, headers: Headers, found: reading.Found) -> None:
    fields = message.DESCRIPTOR.fields_by_name
    key = headers.get("idempotency-key")
    if key and REQUEST_ID in fields and not getattr(message, REQUEST_ID):
        setattr(message, REQUEST_ID, key)
    last = headers.get("last-event-id")
    if last and CURSOR in fields:
        setattr(message, CURSOR, last)
    condition = headers.get("if-match")
    if not condition or binding.verb == "GET" or condition.strip() == "*":
        return
    holder = _etag_holder(binding, message)
    if holder is None:
        found.append(Violation("If-Match", "this call knows no etag"))
        return
    etag = entity_tag(condition)
    if holder.etag and holder.etag != etag:  # type: ignore[attr-defined]  # it was looked up by that field
        found.append(Violation("If-Match", "differs from the etag in the body"))
    holder.etag = etag  # type: ignore[attr-defined]


def entity_tag(header: str) -> str:
    """The opaque part of one strong entity tag; a weak one or a list stays as it is, and so matches nothing."""
    text = header.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"' and '"' not in text[1:-1]:
        return text[1:-1]
    return text


def _etag_holder(binding: Binding, message: Message) -> Message | None:
    # A call that names no existing resource has nothing to compare with; the one of its kind needs no name.
    if ETAG in message.DESCRIPTOR.fields_by_name:
        return message
    if not binding.fields and binding.verb != "PATCH":
        return None
    resource = binding.body or binding.fields[0].split(".")[0]
    field = message.DESCRIPTOR.fields_by_name[resource]
    if field.message_type is None or ETAG not in field.message_type.fields_by_name:
        return None
    holder: Message = getattr(message, resource)
    return holder


def _changed(binding: Binding, given: dict[str, Any]) -> list[str]:
    # What a client read and sends back unchanged with the rest (output-only fields, the id, the etag) is no wish.
    descriptor = binding.method.request_class.DESCRIPTOR.fields_by_name[binding.body].message_type
    from_path = {path.rpartition(".")[2] for path in binding.fields}
    names = []
    for key in given:
        field = reading.find_field(descriptor, key)
        if field is None or field.name in from_path or field.name == ETAG:
            continue
        if options_pb2.BEHAVIOR_OUTPUT_ONLY not in field_rules(field).behavior:
            names.append(field.name)
    return names
