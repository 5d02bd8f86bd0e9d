"""One response message into one HTTP answer."""

from google.protobuf.message import Message
from starlette.datastructures import Headers
from starlette.responses import Response

from cloudly_gateway.rest.requests import ETAG, entity_tag
from cloudly_gateway.rest.routes import Binding, RouteTable
from cloudly_gateway.rest.writing import to_json

NO_STORE = {"cache-control": "no-store"}
"""Answers belong to one caller: no cache may keep them."""


def render(table: RouteTable, binding: Binding, message: Message, headers: Headers) -> Response:
    """The answer, with the resource's ETag and, where one was made, its Location."""
    answer: Message = getattr(message, binding.response_body) if binding.response_body else message
    resource = answer if ETAG in answer.DESCRIPTOR.fields_by_name else _only_resource(answer)
    sent = dict(NO_STORE)
    etag = getattr(resource, ETAG, "")
    if etag:
        sent["etag"] = f'"{etag}"'
    if etag and binding.verb == "GET" and _seen(headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=sent)
    if binding.status == 201 and resource is not None:
        location = f"{binding.template}/{resource.id}"  # type: ignore[attr-defined]  # resources have one
        match = table.match(location)
        if match is not None and "GET" in match.bindings:
            sent["location"] = location
    return Response(to_json(answer), binding.status, sent, "application/json")


def _only_resource(answer: Message) -> Message | None:
    # An answer such as CreateClusterResponse{cluster, jump_code} holds one resource beside what is shown once.
    fields = [
        field
        for field in answer.DESCRIPTOR.fields
        if field.message_type is not None and not field.is_repeated and ETAG in field.message_type.fields_by_name
    ]
    if len(fields) != 1 or not answer.HasField(fields[0].name):
        return None
    resource: Message = getattr(answer, fields[0].name)
    return resource


def _seen(header: str, etag: str) -> bool:
    # If-None-Match compares weakly (RFC 9110 §13.1.2).
    tags = (tag.strip().removeprefix("W/") for tag in header.split(","))
    return any(tag == "*" or entity_tag(tag) == etag for tag in tags if tag)
