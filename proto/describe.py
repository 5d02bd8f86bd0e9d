"""The contract as one JSON document with its comments, for readers that do without gRPC: the CLI, the API docs."""  # noqa: INP001

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2

Comments = dict[tuple[int, ...], str]
_MESSAGE, _ENUM, _SERVICE, _FIELD, _VALUE, _METHOD, _NESTED_MESSAGE, _NESTED_ENUM = 4, 5, 6, 2, 2, 2, 3, 4
"""Field numbers of descriptor.proto, of which the paths of comments are made."""


def describe(descriptor_set: Path, target: Path) -> None:
    """Write what a descriptor set with source info says about the packages `cloudly.*` as JSON."""
    # The options must be known before the set is parsed, or they stay unknown fields.
    from cloudly.options.v1 import options_pb2

    found = descriptor_pb2.FileDescriptorSet.FromString(descriptor_set.read_bytes())
    document: dict[str, Any] = {"methods": [], "messages": {}, "enums": {}}
    for file in found.file:
        if not file.package.startswith("cloudly."):
            continue
        comments = _comments(file)
        for index, service in enumerate(file.service):
            full_name = f"{file.package}.{service.name}"
            about = comments.get((_SERVICE, index), "")
            for number, method in enumerate(service.method):
                comment = comments.get((_SERVICE, index, _METHOD, number), "")
                described = _method(full_name, method, method.options.Extensions[options_pb2.method])
                document["methods"].append({**described, "comment": comment, "serviceComment": about or _head(file)})
        for full_name, path, message in _messages(file.package, file.message_type, (_MESSAGE,)):
            maps = {f".{full_name}.{entry.name}": entry for entry in message.nested_type if entry.options.map_entry}
            document["messages"][full_name] = {
                "comment": comments.get(path, ""),
                "fields": [
                    {
                        **_field(field, maps, field.options.Extensions[options_pb2.field]),
                        "comment": comments.get((*path, _FIELD, number), ""),
                    }
                    for number, field in enumerate(message.field)
                ],
            }
            for number, enum in enumerate(message.enum_type):
                document["enums"][f"{full_name}.{enum.name}"] = _enum(enum, (*path, _NESTED_ENUM, number), comments)
        for number, enum in enumerate(file.enum_type):
            document["enums"][f"{file.package}.{enum.name}"] = _enum(enum, (_ENUM, number), comments)
    document["methods"].sort(key=lambda method: method["path"])
    target.write_text(json.dumps(document, separators=(",", ":"), sort_keys=True))


def _method(service: str, method: descriptor_pb2.MethodDescriptorProto, rules: Any) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": method.name,
        "service": service,
        "path": f"/{service}/{method.name}",
        "request": method.input_type[1:],
        "response": method.output_type[1:],
        "streams": method.server_streaming,
    }
    pattern = rules.http.WhichOneof("pattern")
    if pattern:
        described["http"] = {
            "method": pattern.upper(),
            "path": getattr(rules.http, pattern),
            "body": rules.http.body.strip("*"),
            "responseBody": rules.http.response_body,
            "octets": rules.http.octets,
            "status": rules.http.success_status or 200,
        }
    if rules.HasField("cli"):
        described["cli"] = {
            "verb": rules.cli.verb,
            "arguments": list(rules.cli.arguments),
            "columns": list(rules.cli.columns),
            "confirm": rules.cli.confirm,
            "aliases": list(rules.cli.noun_aliases),
            "notes": list(rules.cli.notes),
            "verdict": rules.cli.verdict,
        }
    kind = rules.access.WhichOneof("kind")
    described["access"] = rules.access.permission if kind == "permission" else kind
    return described


def _field(field: descriptor_pb2.FieldDescriptorProto, maps: dict[str, Any], rules: Any) -> dict[str, Any]:
    from cloudly.options.v1 import options_pb2

    described: dict[str, Any] = {"name": field.name, "json": field.json_name}
    if field.type_name in maps:
        key, value = maps[field.type_name].field
        described["map"] = {"key": _type(key), "value": _type(value)}
    else:
        described["type"] = _type(field)
        if field.label == descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED:
            described["repeated"] = True
    if field.proto3_optional:
        described["optional"] = True
    behavior = [options_pb2.Behavior.Name(value).removeprefix("BEHAVIOR_").lower() for value in rules.behavior]
    if behavior:
        described["behavior"] = behavior
    for name, value in rules.ListFields():
        if name.name in {"format", "key_format"}:
            described[name.name] = options_pb2.Format.Name(value).removeprefix("FORMAT_").lower()
        elif name.name != "behavior":
            described[name.name] = value
    return described


def _type(field: descriptor_pb2.FieldDescriptorProto) -> str:
    # `string`, or the full name of a message or an enum.
    if field.type_name:
        return field.type_name[1:]
    return descriptor_pb2.FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()


def _enum(enum: descriptor_pb2.EnumDescriptorProto, path: tuple[int, ...], comments: Comments) -> dict[str, Any]:
    return {
        "comment": comments.get(path, ""),
        "values": [
            {"name": value.name, "comment": comments.get((*path, _VALUE, number), "")}
            for number, value in enumerate(enum.value)
        ],
    }


def _messages(
    prefix: str, messages: Any, path: tuple[int, ...]
) -> Iterator[tuple[str, tuple[int, ...], descriptor_pb2.DescriptorProto]]:
    for number, message in enumerate(messages):
        if message.options.map_entry:
            continue
        full_name, here = f"{prefix}.{message.name}", (*path, number)
        yield full_name, here, message
        yield from _messages(full_name, message.nested_type, (*here, _NESTED_MESSAGE))


def _comments(file: descriptor_pb2.FileDescriptorProto) -> Comments:
    found = {}
    for location in file.source_code_info.location:
        text = location.leading_comments or location.trailing_comments
        if text:
            found[tuple(location.path)] = " ".join(line.strip() for line in text.strip().splitlines())
    return found


def _head(file: descriptor_pb2.FileDescriptorProto) -> str:
    # The comment above `syntax = …` (field 12 of the file).
    for location in file.source_code_info.location:
        if tuple(location.path) == (12,):
            return " ".join(line.strip() for line in location.leading_comments.strip().splitlines())
    return ""
