"""Every environment variable that the suite understands: meaning, default, current value, source."""

import importlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Any, get_args

from cloudly_kit.config import SERVICES, ServiceSettings
from pydantic import AliasChoices, SecretStr
from pydantic.fields import FieldInfo

from cloudly_local.config import LocalSettings

MODULES = (*(f"cloudly_{name}.config" for name in SERVICES), "cloudly_gateway.config")
"""Where the settings classes are; importing them is cheap."""
MASK = "********"


@dataclass(frozen=True)
class Variable:
    """One environment variable."""

    name: str
    meaning: str
    default: str
    value: str
    """As it is now; masked when it is secret."""
    source: str
    """`environment` or `default`."""
    readers: tuple[str, ...]
    """Which settings classes read it."""


def variables() -> list[Variable]:
    """All of them, sorted by name."""
    found: dict[str, tuple[FieldInfo, list[str]]] = {}
    for reader, settings in _settings_classes():
        for field in settings.model_fields.values():
            for name in _names(field):
                found.setdefault(name, (field, []))[1].append(reader)
    return [_variable(name, field, readers) for name, (field, readers) in sorted(found.items())]


def _settings_classes() -> Iterable[tuple[str, type[ServiceSettings]]]:
    yield "all", ServiceSettings
    yield "local", LocalSettings
    for module in MODULES:
        yield module.removeprefix("cloudly_").removesuffix(".config"), importlib.import_module(module).Settings


def _names(field: FieldInfo) -> Sequence[str]:
    alias = field.validation_alias
    if isinstance(alias, str):
        return [alias]
    return [choice for choice in alias.choices if isinstance(choice, str)] if isinstance(alias, AliasChoices) else []


def _variable(name: str, field: FieldInfo, readers: list[str]) -> Variable:
    given = os.environ.get(name, "")
    secret = _is_secret(field.annotation)
    default = _text(field.get_default(call_default_factory=False))
    value = given or default
    return Variable(
        name=name,
        meaning=field.description or "",
        default=default,
        value=MASK if secret and given else value,
        source="environment" if given else "default",
        readers=("all",) if "all" in readers else tuple(dict.fromkeys(readers)),
    )


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or (isinstance(annotation, UnionType) and SecretStr in get_args(annotation))


def _text(value: Any) -> str:
    if value is None or str(type(value).__name__) == "PydanticUndefinedType":
        return ""
    # A default is published with the source: there is nothing to hide in it.
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


def table(found: Iterable[Variable]) -> str:
    """The variables for people."""
    blocks = []
    for variable in found:
        now = variable.value or "(empty)"
        default = "" if variable.source == "default" else f"   default {variable.default or '(empty)'}"
        blocks.append(
            f"{variable.name}\n    {variable.meaning}\n    {now}   [{variable.source}]{default}"
            f"   read by {', '.join(variable.readers)}"
        )
    return "\n".join(blocks)
