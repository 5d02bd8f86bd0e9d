"""JSON into messages, strictly: every fault is named by its field, and all faults are named at once.

The mapping is ProtoJSON with these differences: `false` is not a number, NaN and infinities are refused, and an enum's
value may be given by its short name (`ONLINE` for `AGENT_STATE_ONLINE`) too.
"""

import base64
import binascii
import math
from collections.abc import Mapping
from functools import cache
from typing import Any, cast

from cloudly_kit.contract import enum_prefix
from cloudly_kit.errors import Violation
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

Found = list[Violation]

_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_FLOATS = (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT)
_MAX_INT_TEXT = 20
"""Digits and sign of the longest 64-bit number: longer texts are refused unread."""


class _Refused(Exception):
    pass


def read_object(message: Message, value: Any, path: str, found: Found) -> None:
    """Fill a message from a JSON object; `path` is what stands in front of field names in `found`."""
    if not isinstance(value, dict):
        found.append(Violation(path.rstrip(".") or "body", "must be a JSON object"))
        return
    fields = _fields(message.DESCRIPTOR)
    for key, item in value.items():
        field = fields.get(key)
        if field is None:
            found.append(Violation(f"{path}{key}", "there is no such field"))
        elif item is not None:
            read_field(message, field, item, f"{path}{field.name}", found)


def read_field(message: Message, field: FieldDescriptor, value: Any, where: str, found: Found) -> None:
    """Fill one field from a JSON value."""
    target = getattr(message, field.name)
    if _is_map(field):
        _read_map(target, field, value, where, found)
    elif field.is_repeated:
        if not isinstance(value, list):
            found.append(Violation(where, "must be a list"))
            return
        for index, item in enumerate(value):
            at = f"{where}[{index}]"
            if field.message_type is not None:
                _read_message(target.add(), item, at, found)
            else:
                _into(found, at, lambda: target.append(_scalar(field, item)))  # noqa: B023 - called at once
    elif field.message_type is not None:
        target.SetInParent()
        _read_message(target, value, where, found)
    else:
        _into(found, where, lambda: setattr(message, field.name, _scalar(field, value)))


def read_text(message: Message, field: FieldDescriptor, text: str, where: str, found: Found) -> None:
    """Fill one field from a text in a path or a query."""
    value: Any = text
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        value = {"true": True, "false": False}.get(text, text)
    if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM and text.lstrip("-").isdecimal():
        value = int(text) if len(text) <= _MAX_INT_TEXT else text
    if field.is_repeated:
        _into(found, where, lambda: getattr(message, field.name).append(_scalar(field, value)))
    elif field.message_type is not None and not field.message_type.full_name.startswith("google.protobuf."):
        found.append(Violation(where, "is not a single value"))
    else:
        read_field(message, field, value, where, found)


def find_field(descriptor: object, name: str) -> FieldDescriptor | None:
    """A field of a message's descriptor by its JSON or proto name."""
    return _fields(cast("Descriptor", descriptor)).get(name)


@cache
def _fields(descriptor: Descriptor) -> Mapping[str, FieldDescriptor]:
    return {name: field for field in descriptor.fields for name in (field.name, field.json_name)}


@cache
def _enum_names(enum: EnumDescriptor) -> Mapping[str, int]:
    prefix = enum_prefix(enum)
    names = {value.name.removeprefix(prefix): value.number for value in enum.values}
    return names | {value.name: value.number for value in enum.values}


def _is_map(field: FieldDescriptor) -> bool:
    return bool(field.message_type is not None and field.message_type.GetOptions().map_entry)


def _into(found: Found, where: str, act: Any) -> None:
    try:
        act()
    except _Refused as refused:
        found.append(Violation(where, str(refused)))


def _read_message(target: Message, value: Any, where: str, found: Found) -> None:
    if not target.DESCRIPTOR.full_name.startswith("google.protobuf."):
        read_object(target, value, f"{where}.", found)
        return
    try:
        # Timestamps, durations, masks and structs have shapes of their own, which protobuf reads.
        json_format.ParseDict(value, target)
    except (json_format.ParseError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        found.append(Violation(where, _WELL_KNOWN.get(target.DESCRIPTOR.name, "cannot be read")))


_WELL_KNOWN = {
    "Timestamp": "must be a time such as 2027-01-31T12:00:00Z (RFC 3339)",
    "Duration": 'must be a duration such as "1.5s"',
    "FieldMask": "must be field names separated by commas",
    "Struct": "must be a JSON object of moderate depth",
}


def _read_map(target: Any, field: FieldDescriptor, value: Any, where: str, found: Found) -> None:
    if not isinstance(value, dict):
        found.append(Violation(where, "must be a JSON object"))
        return
    entry = cast("Descriptor", field.message_type)
    key_field, value_field = entry.fields_by_name["key"], entry.fields_by_name["value"]
    for key, item in value.items():
        at = f'{where}["{key}"]'
        try:
            read_key = _scalar(key_field, key)
            if value_field.message_type is not None:
                _read_message(target[read_key], item, at, found)
            else:
                target[read_key] = _scalar(value_field, item)
        except _Refused as refused:
            found.append(Violation(at, str(refused)))


def _scalar(field: FieldDescriptor, value: Any) -> Any:
    kind = field.cpp_type
    if kind in _RANGES:
        return _integer(value, *_RANGES[kind])
    if kind in _FLOATS:
        return _float(value)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        if not isinstance(value, bool):
            raise _Refused("must be true or false")
        return value
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return _enum(cast("EnumDescriptor", field.enum_type), value)
    if not isinstance(value, str):
        raise _Refused("must be a text")
    if field.type == FieldDescriptor.TYPE_BYTES:
        return _bytes(value)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _Refused("must be valid Unicode") from None
    return value


def _integer(value: Any, low: int, high: int) -> int:
    if isinstance(value, str) and len(value) <= _MAX_INT_TEXT:
        try:
            value = int(value) if value.strip() == value and "_" not in value else None
        except ValueError:
            value = None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _Refused("must be a whole number")
    if not low <= value <= high:
        raise _Refused(f"must be between {low} and {high}")
    return value


def _float(value: Any) -> float:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            value = None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise _Refused("must be a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise _Refused("must be a finite number")
    return number


def _enum(enum: EnumDescriptor, value: Any) -> int:
    if isinstance(value, str) and value in _enum_names(enum):
        return _enum_names(enum)[value]
    if isinstance(value, int) and not isinstance(value, bool) and value in enum.values_by_number:
        return value
    names = ", ".join(v.name for v in enum.values if v.number)
    raise _Refused(f"must be one of {names}")


def _bytes(value: str) -> bytes:
    try:
        padded = value.replace("-", "+").replace("_", "/") + "=" * (-len(value) % 4)
        return base64.b64decode(padded, validate=True)
    except (binascii.Error, ValueError):
        raise _Refused("must be base64") from None
