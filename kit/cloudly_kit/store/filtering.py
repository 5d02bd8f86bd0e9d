"""The filter language of lists: a small subset of AIP-160.

    filter      = restriction { "AND" restriction }
    restriction = field operator value  |  labels ":" key
    field       = name { "." name }  |  "labels" "." ( name | string )
    operator    = "=" | "!=" | "<" | "<=" | ">" | ">=" | ":"
    value       = string in single or double quotes, or a word

`:` means "starts with" for texts, "contains" for lists and "has the key" for labels. Words compare as the field's type
says: numbers, `true` and `false`, RFC 3339 times, names of choices. There is no OR, no NOT and no grouping.
"""

import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Literal

from pydantic import BaseModel

from cloudly_kit.errors import InvalidArgument
from cloudly_kit.store.documents import label_path, milliseconds

Kind = Literal["text", "texts", "number", "flag", "time", "labels"]

_COMPARISONS = {"<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte"}
# SecantusDB 0.7 leaves out equal values when `$lte` rides a compound index; beside `$exists` it does not.
_WITH = {"<=": {"$exists": True}}
_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<operator><=|>=|!=|=|<|>|:)
    |(?P<word>[A-Za-z0-9_+\-./@*]+(?::[A-Za-z0-9_+\-./@*]+)*)""",
    re.VERBOSE | re.DOTALL,
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_\-/]+)*\.?")


@dataclass(frozen=True)
class Choice:
    """A field that may be filtered by: its dotted path, and the stored values by the names that callers write."""

    path: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Restriction:
    """One condition as it was written, with its place in the filter (from 0)."""

    field: str
    operator: str
    value: str
    position: int


def parse(text: str) -> list[Restriction]:
    """The conditions of a filter.

    Raises:
        InvalidArgument: for the field `filter`, with the position of what is not understood.
    """
    tokens = _tokens(text)
    restrictions: list[Restriction] = []
    index = 0
    while index < len(tokens):
        if restrictions:
            kind, word, position = tokens[index]
            if kind != "word" or word != "AND":
                raise _wrong(position, f"expected AND, found {word!r}")
            index += 1
        restriction, index = _restriction(tokens, index, len(text))
        restrictions.append(restriction)
    return restrictions


class Filters:
    """The fields of a kind of document that may be filtered by."""

    def __init__(self, document: type[BaseModel], filterable: Mapping[str, str | Choice] | Sequence[str]) -> None:
        declared = filterable if isinstance(filterable, Mapping) else {name: name for name in filterable}
        self._fields = {name: c if isinstance(c, Choice) else Choice(c) for name, c in declared.items()}
        self._kinds = {name: _kind_at(document, choice.path) for name, choice in self._fields.items()}

    def query(self, text: str) -> dict[str, Any]:
        """The filter as a query of the database.

        Raises:
            InvalidArgument: for the field `filter`.
        """
        query: dict[str, Any] = {}
        for restriction in parse(text):
            path, condition = self._condition(restriction)
            add_condition(query, path, condition)
        return query

    def _condition(self, restriction: Restriction) -> tuple[str, Any]:
        name, _, rest = restriction.field.partition(".")
        if restriction.field in self._fields:
            name, rest = restriction.field, ""
        choice = self._fields.get(name)
        kind: Kind
        if choice is None and name == "labels":
            choice, kind = Choice("labels"), "labels"
        elif choice is None or (rest and self._kinds[name] != "labels"):
            known = ", ".join(sorted({*self._fields, "labels"}))
            raise _wrong(restriction.position, f"{restriction.field!r} cannot be filtered by; these can: {known}")
        else:
            kind = self._kinds[name]
        operator = restriction.operator
        if kind == "labels":
            return _label_condition(restriction, rest)
        value = _value(restriction, kind, choice)
        if operator == "=":
            return choice.path, value
        if operator == "!=":
            return choice.path, {"$ne": value}
        if operator == ":":
            if kind == "texts":
                return choice.path, value
            if kind == "text" and isinstance(value, str):
                return choice.path, {"$regex": "^" + re.escape(value)}
        elif kind in ("number", "time", "text"):
            return choice.path, {_COMPARISONS[operator]: value, **_WITH.get(operator, {})}
        raise _wrong(restriction.position, f"{restriction.field!r} does not know {operator!r}")


def add_condition(query: dict[str, Any], path: str, condition: Any) -> None:
    """Add a condition to a query. Only two of a kind on one path need `$and`, which the embedded server cannot index."""
    given = query.get(path)
    if path not in query:
        query[path] = condition
    elif isinstance(given, dict) and isinstance(condition, dict) and not given.keys() & condition.keys():
        query[path] = {**given, **condition}
    else:
        query.setdefault("$and", []).append({path: condition})


def _tokens(text: str) -> list[tuple[str, str, int]]:
    tokens = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _wrong(position, f"{text[position]!r} is not understood")
        if match.lastgroup != "space":
            tokens.append((str(match.lastgroup), match.group(), position))
        position = match.end()
    return tokens


def _restriction(tokens: list[tuple[str, str, int]], index: int, end: int) -> tuple[Restriction, int]:
    if index >= len(tokens):
        raise _wrong(end, "a condition is missing at the end")
    kind, name, position = tokens[index]
    if kind == "word" and name.startswith("labels:"):
        return Restriction("labels", ":", name.removeprefix("labels:"), position), index + 1
    # A word may hold colons, as times do; a field may not: `name:web` is three tokens.
    operator = ""
    value = ""
    if kind == "word" and ":" in name:
        name, operator, value = name.partition(":")
    if kind != "word" or not _NAME.fullmatch(name):
        raise _wrong(position, f"expected the name of a field, found {name!r}")
    if operator:
        return Restriction(name, operator, value, position), index + 1
    index += 1
    if name.endswith("."):
        if name != "labels." or index >= len(tokens) or tokens[index][0] != "string":
            raise _wrong(position, f"{name!r} is not the name of a field")
        name += _unquoted(tokens[index][1])
        index += 1
    if index >= len(tokens) or tokens[index][0] != "operator":
        raise _wrong(tokens[index][2] if index < len(tokens) else end, f"expected an operator after {name!r}")
    operator = tokens[index][1]
    index += 1
    if index >= len(tokens) or tokens[index][0] == "operator":
        raise _wrong(tokens[index][2] if index < len(tokens) else end, f"expected a value after {operator!r}")
    kind, value, _ = tokens[index]
    return Restriction(name, operator, _unquoted(value) if kind == "string" else value, position), index + 1


def _unquoted(token: str) -> str:
    return re.sub(r"\\(.)", r"\1", token[1:-1], flags=re.DOTALL)


def _label_condition(restriction: Restriction, key: str) -> tuple[str, Any]:
    operator, value = restriction.operator, restriction.value
    if not key and operator == ":" and value and "$" not in value:
        return label_path(value), {"$exists": True}
    if key and "$" not in key:
        if operator == "=":
            return label_path(key), value
        if operator == "!=":
            return label_path(key), {"$ne": value}
        if operator == ":" and value == "*":
            return label_path(key), {"$exists": True}
    raise _wrong(restriction.position, "labels are asked for as labels.key = value, labels.key != value or labels:key")


def _value(restriction: Restriction, kind: Kind, choice: Choice) -> Any:
    text = restriction.value
    if choice.values:
        if text not in choice.values:
            raise _wrong(restriction.position, f"{text!r} is none of {', '.join(choice.values)}")
        return choice.values[text]
    try:
        match kind:
            case "number":
                return int(text) if re.fullmatch(r"[+-]?\d{1,18}", text) else float(text)
            case "flag":
                return {"true": True, "false": False}[text]
            case "time":
                time = datetime.fromisoformat(text)
                if time.tzinfo is None:
                    raise ValueError("no time zone")
                return milliseconds(time)
            case _:
                return text
    except (ValueError, KeyError, OverflowError) as error:
        expected = {"number": "a number", "flag": "true or false", "time": "a time such as 2026-01-31T12:00:00Z"}[kind]
        raise _wrong(restriction.position, f"{text!r} is not {expected}, which {restriction.field!r} needs") from error


def _kind_at(document: type[BaseModel], path: str) -> Kind:
    """What type a field of the document has, so that values compare as what they are."""
    annotation: Any = document
    for name in path.split("."):
        model = _without_none(annotation)
        if not (isinstance(model, type) and issubclass(model, BaseModel)) or name not in model.model_fields:
            if _origin(model) is dict:
                return "text"
            raise ValueError(f"{document.__name__} has no field {path!r} to filter by")
        annotation = model.model_fields[name].annotation
    annotation = _without_none(annotation)
    origin = _origin(annotation)
    if origin is dict:
        return "labels"
    if origin in (list, tuple, set, frozenset):
        return "texts"
    if isinstance(annotation, type):
        if issubclass(annotation, bool):
            return "flag"
        if issubclass(annotation, int | float):
            return "number"
        if issubclass(annotation, datetime):
            return "time"
        if issubclass(annotation, Enum) and not issubclass(annotation, str):
            raise TypeError(f"{path!r} holds an enumeration: name its values with Choice")
    return "text"


def _origin(annotation: Any) -> Any:
    return typing.get_origin(annotation) or annotation


def _without_none(annotation: Any) -> Any:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        parts = [part for part in typing.get_args(annotation) if part is not type(None)]
        return parts[0] if len(parts) == 1 else str
    return annotation


def _wrong(position: int, what: str) -> InvalidArgument:
    return InvalidArgument.of(("filter", f"at position {position}: {what}"))
