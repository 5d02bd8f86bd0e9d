"""Updates by field mask: what of a request's resource goes into the resource that is stored (AIP-134, AIP-161)."""

from collections.abc import Iterator
from typing import TypeVar, cast

from cloudly.options.v1 import options_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from cloudly_kit.contract import field_rules
from cloudly_kit.errors import InvalidArgument, Violation

M = TypeVar("M", bound=Message)

IDENTIFYING = frozenset({"id", "etag"})
"""Fields that say which resource is meant, and as it was when; a mask may name them, they are never applied."""

_NOT_THE_CLIENTS = {
    options_pb2.BEHAVIOR_OUTPUT_ONLY: "is set by the server",
    options_pb2.BEHAVIOR_IMMUTABLE: "cannot be changed after creation",
}


def apply_mask(target: M, source: M, mask: FieldMask) -> M:
    """A copy of `target` with the fields that `mask` names as they are in `source`.

    No paths mean the fields that are set in `source`; `*` means all that a client may set, those missing in `source`
    become empty. A path goes through single messages (`resources.memory_mb`), not into maps or lists: they are replaced
    whole.

    Raises:
        InvalidArgument: a path names no field, or one that a client cannot change and that `source` has otherwise.
    """
    result = type(target)()
    result.CopyFrom(target)
    refused = []
    for path in _paths(source, mask):
        violation = _apply(result, source, path)
        if violation:
            refused.append(Violation(f"update_mask.{path}", violation))
    if refused:
        raise InvalidArgument.of(*refused)
    return result


def _paths(source: Message, mask: FieldMask) -> Iterator[str]:
    if not mask.paths:
        yield from (field.name for field in _fields(source) if _is_set(source, field) and _refusal(field) is None)
    for path in mask.paths:
        if path == "*":
            yield from (field.name for field in _fields(source) if _refusal(field) is None)
        else:
            yield path


def _apply(target: Message, source: Message, path: str) -> str | None:
    if path in IDENTIFYING:
        return None
    *parents, last = path.split(".")
    for name in parents:
        parent = _field(target, name)
        if parent is None or parent.message_type is None or parent.is_repeated:
            return "names no field"
        if (refusal := _refusal(parent)) is not None:
            return refusal
        target, source = getattr(target, name), getattr(source, name)
    field = _field(target, last)
    if field is None:
        return "names no field"
    if _is_same(target, source, field):
        return None
    if (refusal := _refusal(field)) is not None:
        return refusal
    _copy(target, source, field)
    return None


def _refusal(field: FieldDescriptor) -> str | None:
    behavior = field_rules(field).behavior
    return next((reason for kind, reason in _NOT_THE_CLIENTS.items() if kind in behavior), None)


def _is_same(target: Message, source: Message, field: FieldDescriptor) -> bool:
    if field.has_presence and target.HasField(field.name) != source.HasField(field.name):
        return False
    return bool(getattr(target, field.name) == getattr(source, field.name))


def _copy(target: Message, source: Message, field: FieldDescriptor) -> None:
    name = field.name
    target.ClearField(name)
    if field.has_presence and not source.HasField(name):
        return
    if field.is_repeated or field.message_type is not None:
        getattr(target, name).MergeFrom(getattr(source, name))
    else:
        setattr(target, name, getattr(source, name))


def _fields(message: Message) -> list[FieldDescriptor]:
    return cast("list[FieldDescriptor]", list(message.DESCRIPTOR.fields))


def _field(message: Message, name: str) -> FieldDescriptor | None:
    return next((field for field in _fields(message) if field.name == name), None)


def _is_set(message: Message, field: FieldDescriptor) -> bool:
    if field.has_presence:
        return bool(message.HasField(field.name))
    return bool(getattr(message, field.name))
