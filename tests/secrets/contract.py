"""The places of the contract where secrets go in and come out, read off its `sensitive` marks."""

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any

from cloudly.options.v1 import options_pb2
from cloudly_kit import contract
from google.protobuf import json_format
from google.protobuf.message import Message

Path = tuple[str, ...]

EXAMPLES = {
    options_pb2.FORMAT_ID: "a" * 20,
    options_pb2.FORMAT_NAME: "canary",
    options_pb2.FORMAT_DOMAIN: "canary.example.com",
    options_pb2.FORMAT_IMAGE_REFERENCE: "docker.io/library/nginx:1",
    options_pb2.FORMAT_TAG: "v1",
    options_pb2.FORMAT_DIGEST: "sha256:" + "0" * 64,
    options_pb2.FORMAT_URL: "https://canary.example.com",
    options_pb2.FORMAT_CRON: "0 3 * * *",
    options_pb2.FORMAT_ENV_NAME: "CANARY",
    options_pb2.FORMAT_USERNAME: "canary",
    options_pb2.FORMAT_REPOSITORY: "team/canary",
}
"""A value of each format, for the required fields beside a secret one."""


def sensitive(descriptor: Any, seen: frozenset[str] = frozenset()) -> Iterator[Path]:
    """The paths of a message's sensitive fields, inside of its messages and lists too."""
    for field in descriptor.fields:
        inner = field.message_type
        if contract.field_rules(field).sensitive:
            yield (field.name,)
        elif inner is not None and inner.full_name.startswith("cloudly.") and inner.full_name not in seen:
            for path in sensitive(inner, seen | {inner.full_name}):
                yield (field.name, *path)


def taken() -> list[tuple[contract.Method, Path]]:
    """Every method and field through which a secret comes in."""
    return [
        (method, path) for method in contract.methods().values() for path in sensitive(method.descriptor.input_type)
    ]


def given(method: contract.Method, answer: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The secrets in a method's answer over REST, each with its field."""
    response = method.response_class()
    body = method.rules.http.response_body
    told = {body: answer} if body else dict(answer)
    json_format.ParseDict(told, response, ignore_unknown_fields=True)
    found = []
    for path in sensitive(response.DESCRIPTOR):
        for value in _values(response, path):
            if value:
                found.append((f"{method.name}.{'.'.join(path)}", value))
    return found


def request_with(method: contract.Method, path: Path, canary: str) -> tuple[str, dict[str, Any]]:
    """The REST path and body of a call with the canary in one field, and what is required beside it."""
    message = method.request_class()
    _fill(message)
    _put(message, path, canary)
    rules = method.rules.http
    template: str = getattr(rules, rules.WhichOneof("pattern"))
    address = re.sub(r"\{([^}]*)\}", lambda found: _at(message, found[1].split(".")) or "a" * 20, template)
    body = json_format.MessageToDict(message)
    inner = rules.body.strip("*")
    return address, body[json_name(inner)] if inner else body


def json_name(name: str) -> str:
    """`access_token` -> `accessToken`."""
    return re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), name)


def _fill(message: Message) -> None:
    for field in message.DESCRIPTOR.fields:
        rules = contract.field_rules(field)
        required = options_pb2.BEHAVIOR_REQUIRED in rules.behavior
        if not required or options_pb2.BEHAVIOR_OUTPUT_ONLY in rules.behavior:
            continue
        if field.message_type is not None:
            inner = getattr(message, field.name)
            inner = inner.add() if field.is_repeated else inner
            inner.SetInParent()
            _fill(inner)
        elif field.enum_type is not None and not field.is_repeated:
            setattr(message, field.name, field.enum_type.values[-1].number)
        elif field.cpp_type == field.CPPTYPE_STRING and field.type != field.TYPE_BYTES:
            value = EXAMPLES.get(rules.format, "canary")
            if field.is_repeated:
                getattr(message, field.name).append(value)
            else:
                setattr(message, field.name, value)


def _put(message: Any, path: Path, canary: str) -> None:
    *outer, last = path
    for name in outer:
        inner = getattr(message, name)
        if message.DESCRIPTOR.fields_by_name[name].is_repeated:
            if not inner:
                _fill(inner.add())
            inner = inner[0]
        message = inner
    field = message.DESCRIPTOR.fields_by_name[last]
    value: Any = canary.encode() if field.type == field.TYPE_BYTES else canary
    if field.is_repeated:
        getattr(message, last).append(value)
    else:
        setattr(message, last, value)


def _values(message: Any, path: Path) -> list[str]:
    first, *rest = path
    inner = getattr(message, first)
    repeated = message.DESCRIPTOR.fields_by_name[first].is_repeated
    if rest:
        return [value for one in (inner if repeated else [inner]) for value in _values(one, tuple(rest))]
    return [
        base64.b64encode(one).decode() if isinstance(one, bytes) else one for one in (inner if repeated else [inner])
    ]


def _at(message: Any, path: list[str]) -> str:
    for name in path:
        message = getattr(message, name)
    return str(message)
