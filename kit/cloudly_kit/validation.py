"""Checks messages by the rules that their fields carry in the contract, and names every field that breaks one."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from cloudly.options.v1 import options_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from cloudly_kit.contract import FieldDescriptor, field_rules
from cloudly_kit.errors import Violation

_NAME = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?")
_ID = re.compile(r"[a-z2-7]{20}")
_LABEL = r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_DOMAIN = re.compile(rf"(\*\.)?({_LABEL}\.)*{_LABEL}")
_PATH_COMPONENT = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_PATH_COMPONENT}(/{_PATH_COMPONENT})*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_HOST = rf"(({_LABEL}\.)*{_LABEL}|\[[0-9a-fA-F:]+\])(:[0-9]{{1,5}})?"
_REFERENCE = re.compile(rf"({_HOST}/)?{_REPOSITORY.pattern}(:{_TAG.pattern})?(@({_DIGEST.pattern}))?")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
_USERNAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_URL = re.compile(rf"https?://{_HOST}(/[^\s]*)?")
_CRON_FIELD = re.compile(r"[0-9A-Za-z*,/\-]+")

_MAX_STORED = 2**63 - 1  # what the database can hold of a uint64
_MAX_REFERENCE = 512
_CRON_FIELDS = 5


def _is_cron(text: str) -> bool:
    fields = text.split()
    return len(fields) == _CRON_FIELDS and all(_CRON_FIELD.fullmatch(field) for field in fields)


_FORMATS: dict[int, tuple[Callable[[str], object], str]] = {
    options_pb2.FORMAT_ID: (_ID.fullmatch, "must be a resource id: 20 characters of a-z and 2-7"),
    options_pb2.FORMAT_NAME: (
        _NAME.fullmatch,
        "must be 1 to 40 lowercase letters, digits and inner hyphens, starting with a letter",
    ),
    options_pb2.FORMAT_DOMAIN: (
        lambda text: len(text) <= 253 and _DOMAIN.fullmatch(text),
        "must be a host name such as shop.example.com, without protocol or port",
    ),
    options_pb2.FORMAT_IMAGE_REFERENCE: (
        lambda text: len(text) <= _MAX_REFERENCE and _REFERENCE.fullmatch(text),
        "must be an image reference such as docker.io/library/nginx:1.27 (lowercase repository)",
    ),
    options_pb2.FORMAT_TAG: (
        _TAG.fullmatch,
        "must be an image tag: up to 128 letters, digits, dots, hyphens, underscores",
    ),
    options_pb2.FORMAT_DIGEST: (_DIGEST.fullmatch, "must be a digest: sha256: and 64 hexadecimal digits"),
    options_pb2.FORMAT_URL: (_URL.fullmatch, "must be an http or https URL"),
    options_pb2.FORMAT_CRON: (_is_cron, "must be a cron expression of five fields: minute hour day month weekday"),
    options_pb2.FORMAT_ENV_NAME: (
        _ENV_NAME.fullmatch,
        "must be letters, digits and underscores, not starting with a digit",
    ),
    options_pb2.FORMAT_USERNAME: (
        _USERNAME.fullmatch,
        "must be 1 to 64 letters, digits, dots, hyphens, underscores or @, starting with a letter or digit",
    ),
    options_pb2.FORMAT_REPOSITORY: (
        lambda text: len(text) <= 255 and _REPOSITORY.fullmatch(text),
        "must be a repository name such as team/app: lowercase letters, digits and single separators",
    ),
}


def violations(message: Message, *, partial_mask: FieldMask | None = None) -> list[Violation]:
    """Every field of `message` that breaks a rule.

    In an update (`partial_mask` given) the resource is partial: its required fields may be missing unless the mask
    names them. Output-only fields are never checked: they are ignored anyway.
    """
    mask = None if partial_mask is None else set(partial_mask.paths)
    return list(_check_message(message, "", mask))


def matches(format_: int, text: str) -> bool:
    """Whether a text has the shape of a `cloudly.options.v1.Format`."""
    return bool(_FORMATS[format_][0](text))


def _check_message(message: Message, path: str, mask: set[str] | None) -> Iterator[Violation]:
    for field in message.DESCRIPTOR.fields:
        rules = field_rules(field)
        if options_pb2.BEHAVIOR_OUTPUT_ONLY in rules.behavior:
            continue
        where = f"{path}{field.name}"
        required = options_pb2.BEHAVIOR_REQUIRED in rules.behavior
        if required and not _is_set(message, field):
            inside_resource = mask is not None and path.count(".") == 1
            if not inside_resource or field.name in (mask or ()):
                yield Violation(where, "is required")
            continue
        yield from _check_field(message, field, rules, where, mask)


def _is_set(message: Message, field: FieldDescriptor) -> bool:
    if field.is_repeated:
        return len(getattr(message, field.name)) > 0
    if field.has_presence:
        return bool(message.HasField(field.name))
    return bool(getattr(message, field.name))


def _check_field(
    message: Message, field: FieldDescriptor, rules: options_pb2.FieldRules, where: str, mask: set[str] | None
) -> Iterator[Violation]:
    value = getattr(message, field.name)
    if field.is_repeated:
        if rules.max_items and len(value) > rules.max_items:
            yield Violation(where, f"has {len(value)} entries; at most {rules.max_items} are allowed")
            return
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            yield from _check_map(field, value, rules, where)
            return
        for index, item in enumerate(value):
            yield from _check_value(field, item, rules, f"{where}[{index}]", mask)
    elif not field.has_presence or message.HasField(field.name):
        yield from _check_value(field, value, rules, where, mask)


def _check_map(field: FieldDescriptor, value: Any, rules: options_pb2.FieldRules, where: str) -> Iterator[Violation]:
    values = field.message_type.fields_by_name["value"]
    for key, item in value.items():
        if rules.key_format:
            yield from _check_format(rules.key_format, key, f'{where}["{key}"]')
        if values.message_type is not None:
            yield from _check_message(item, f'{where}["{key}"].', None)


def _check_value(
    field: FieldDescriptor, value: Any, rules: options_pb2.FieldRules, where: str, mask: set[str] | None
) -> Iterator[Violation]:
    if field.message_type is not None:
        if not field.message_type.full_name.startswith("google.protobuf."):
            yield from _check_message(value, f"{where}.", mask)
        elif isinstance(value, Timestamp | Duration):
            yield from _check_time(value, where)
        return
    if isinstance(value, str | bytes):
        yield from _check_length(value, rules, where)
        if rules.format and value and isinstance(value, str):
            yield from _check_format(rules.format, value, where)
    elif field.enum_type is not None:
        if value not in field.enum_type.values_by_number:
            yield Violation(where, f"has no value {value}")
    elif not isinstance(value, bool):
        yield from _check_bounds(value, rules, where)


def _check_time(value: Timestamp | Duration, where: str) -> Iterator[Violation]:
    try:
        value.ToJsonString()
    except ValueError:
        kind = "a time of the years 1 to 9999" if isinstance(value, Timestamp) else "a duration of at most 10,000 years"
        yield Violation(where, f"must be {kind}, with 0 to 999,999,999 nanoseconds")


def _check_length(value: str | bytes, rules: options_pb2.FieldRules, where: str) -> Iterator[Violation]:
    if isinstance(value, str) and "\x00" in value:
        yield Violation(where, "must not contain the character NUL")
    if rules.max_length and len(value) > rules.max_length:
        yield Violation(where, f"is {len(value)} long; at most {rules.max_length} is allowed")
    if rules.min_length and len(value) < rules.min_length:
        yield Violation(where, f"is {len(value)} long; at least {rules.min_length} is needed")


def _check_bounds(value: float, rules: options_pb2.FieldRules, where: str) -> Iterator[Violation]:
    if rules.HasField("minimum") and not value >= rules.minimum:
        yield Violation(where, f"must be at least {rules.minimum:g}")
    if rules.HasField("maximum") and not value <= rules.maximum:
        yield Violation(where, f"must be at most {rules.maximum:g}")
    elif isinstance(value, int) and value > _MAX_STORED:
        yield Violation(where, f"must be at most {_MAX_STORED}")


def _check_format(format_: int, text: str, where: str) -> Iterator[Violation]:
    matcher, description = _FORMATS[format_]
    if not matcher(text):
        yield Violation(where, description)


def json_path(path: str) -> str:
    """A dotted proto path in JSON names: `cluster.setup_mode` -> `cluster.setupMode`."""
    return ".".join(_camel(part) for part in path.split("."))


def _camel(part: str) -> str:
    head, *rest = part.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest)
