"""Messages as they may be logged: fields that the contract marks `sensitive` are replaced by `***`."""

from typing import Any

from google.protobuf import text_format
from google.protobuf.message import Message

from cloudly_kit.contract import field_rules

MASK = "***"
LONGEST = 200
"""Characters of a value that is not what it should be."""


def masked(message: Message) -> dict[str, Any]:
    """The fields that are set, as plain values; sensitive ones masked, bytes given by their length."""
    shown: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field_rules(field).sensitive:
            shown[field.name] = MASK
        elif field.is_repeated and field.message_type is not None and field.message_type.GetOptions().map_entry:
            # Maps carry what people put into environments; keys may be told, values not.
            shown[field.name] = dict.fromkeys(value, MASK)
        elif field.is_repeated:
            shown[field.name] = [_plain(item) for item in value]
        else:
            shown[field.name] = _plain(value)
    return shown


def _plain(value: Any) -> Any:
    if isinstance(value, Message):
        if value.DESCRIPTOR.full_name == "google.protobuf.Struct":
            return MASK
        return _well_known(value) if hasattr(value, "ToJsonString") else masked(value)
    return f"{len(value)} bytes" if isinstance(value, bytes) else value


def _well_known(value: Any) -> str:
    """A time, a duration or a mask; what is none is still a request that the log has to tell of."""
    try:
        return str(value.ToJsonString())
    except ValueError:
        return f"not a {value.DESCRIPTOR.name}: {text_format.MessageToString(value, as_one_line=True)[:LONGEST]}"
