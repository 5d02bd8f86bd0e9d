"""Flags made from the fields of a request, and their values as JSON.

A field becomes `--web-port`, one in a nested message `--health-check.interval-seconds`; a list or a map is repeated
(`--label team=x --label tier=1`), an enum is given by its short name, an id may be a name (`--cluster east`).
"""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import click

from cloudly_cli.contract import STRUCT, WELL_KNOWN, Contract, Field, Verb

NEVER = frozenset({"update_mask", "request_id", "page_size", "page_token", "cursor", "etag"})
"""Fields that have flags of their own, or are the CLI's own business."""
_INTEGERS = frozenset({"int32", "int64", "uint32", "uint64"})
_NUMBERS = frozenset({"double", "float"})
_MAX_DEPTH = 3


@dataclass(frozen=True)
class Flag:
    """One flag and the field that it sets."""

    field: Field
    path: tuple[str, ...]
    """The JSON names from the request down to the field."""
    parameter: str
    """Under which name click passes the value."""
    option: click.Option

    @property
    def noun(self) -> str:
        """What the id in this field names: `cluster` for `cluster_id` and `cluster_ids`; empty for other fields."""
        return _noun_of(self.field)


def flags_of(verb: Verb) -> list[Flag]:
    """The flags of a verb."""
    taken = set(verb.arguments)
    found = list(_flags(verb.contract, verb.request, verb.resource, "", (), "", taken, 0))
    names = [name for flag in found for name in flag.option.opts]
    doubled = {name for name in names if names.count(name) > 1}
    if doubled:
        raise ValueError(f"{verb.noun} {verb.name}: two fields want {', '.join(sorted(doubled))}")
    return found


def _flags(
    contract: Contract,
    fields: Mapping[str, Field],
    flattened: Field | None,
    dotted: str,
    path: tuple[str, ...],
    prefix: str,
    taken: set[str],
    depth: int,
) -> Iterator[Flag]:
    for known in fields.values():
        here = f"{dotted}{known.name}"
        if known.output_only or known.name in NEVER or here in taken:
            continue
        inner = (*path, known.json)
        if contract.is_record(known) and not known.repeated and not known.is_map:
            # The resource's own fields stand for themselves; other messages put their name in front.
            front = prefix if known is flattened else f"{prefix}{_dashed(known.name)}."
            if depth < _MAX_DEPTH:
                yield from _flags(
                    contract, contract.fields(known.type), None, f"{here}.", inner, front, taken, depth + 1
                )
            continue
        yield _flag(contract, known, inner, prefix)


def _flag(contract: Contract, known: Field, path: tuple[str, ...], prefix: str) -> Flag:
    parameter = "__".join(path)
    declarations = [parameter, *(f"--{prefix}{name}" for name in _names(known))]
    attributes: dict[str, Any] = {"help": _help(contract, known), "default": None}
    enum = contract.enum(known.type)
    if known.repeated or known.is_map:
        attributes["multiple"] = True
        attributes["default"] = ()
    if known.is_map:
        attributes["metavar"] = "KEY=VALUE"
    elif enum is not None:
        attributes["type"] = click.Choice(list(enum), case_sensitive=False)
    elif known.type == "bool":
        declarations = [parameter, f"--{prefix}{_dashed(known.name)}/--no-{prefix}{_dashed(known.name)}"]
    elif known.type in _INTEGERS:
        attributes["type"] = click.INT
    elif known.type in _NUMBERS:
        attributes["type"] = click.FLOAT
    elif contract.is_record(known):
        attributes["metavar"] = ",".join(f"{f.json}=…" for f in contract.fields(known.type).values())
    elif known.type == STRUCT:
        attributes["metavar"] = "JSON"
    elif known.type == f"{WELL_KNOWN}Timestamp":
        attributes["metavar"] = "TIME"
    elif _noun_of(known):
        attributes["metavar"] = "NAME|ID"
    return Flag(known, path, parameter, click.Option(declarations, **attributes))


def value_of(contract: Contract, flag: Flag, given: Any) -> Any:
    """What click parsed, as JSON for the field."""
    known = flag.field
    if known.is_map:
        return dict(_pair(flag, item) for item in given)
    if known.repeated:
        return [_single(contract, flag, item) for item in given]
    return _single(contract, flag, given)


def _single(contract: Contract, flag: Flag, given: Any) -> Any:
    known = flag.field
    enum = contract.enum(known.type)
    if enum is not None:
        return enum[given]
    if contract.is_record(known):
        return _record(contract, flag, given)
    if known.type == STRUCT:
        try:
            return json.loads(given)
        except ValueError as error:
            raise click.BadParameter(f"is not JSON: {error}", param=flag.option) from error
    if known.sensitive and given == "-":
        return _secret(flag)
    return given


def _pair(flag: Flag, text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise click.BadParameter(f"{text!r} is not KEY=VALUE", param=flag.option)
    return key, value


def _record(contract: Contract, flag: Flag, text: str) -> dict[str, Any]:
    # `name=shop.example.com,port=80`; what has no `=` is the first field: `shop.example.com`.
    fields = {name: f for f in contract.fields(flag.field.type).values() for name in (f.json, f.name, _dashed(f.name))}
    first = next(iter(fields.values()))
    record: dict[str, Any] = {}
    for index, part in enumerate(text.split(",")):
        key, equals, value = part.partition("=")
        if not equals and index == 0:
            key, value = first.json, part
        known = fields.get(key.strip())
        if known is None:
            names = ", ".join(f.json for f in contract.fields(flag.field.type).values())
            raise click.BadParameter(f"{part!r}: there are {names}", param=flag.option)
        record[known.json] = _converted(flag, known, value.strip())
    return record


def _converted(flag: Flag, known: Field, text: str) -> Any:
    try:
        if known.type in _INTEGERS:
            return int(text)
        if known.type in _NUMBERS:
            return float(text)
    except ValueError as error:
        raise click.BadParameter(f"{known.json}: {text!r} is not a number", param=flag.option) from error
    return text == "true" if known.type == "bool" else text


def _secret(flag: Flag) -> str:
    # `-`: asked for on a terminal, else the first line of standard input, and never in the shell's history.
    if sys.stdin.isatty():
        answer: str = click.prompt(flag.field.name.capitalize(), hide_input=True, confirmation_prompt=True)
        return answer
    return sys.stdin.readline().rstrip("\r\n")


def _names(known: Field) -> list[str]:
    dashed = _dashed(known.name)
    names = [dashed]
    if known.repeated or known.is_map:
        names += [_singular(dashed)] if dashed.endswith("s") else []
        names += [dashed.removesuffix("-ids")] if dashed.endswith("-ids") else []
    elif _noun_of(known):
        names.append(dashed.removesuffix("-id"))
    return list(dict.fromkeys(reversed(names)))


def _noun_of(known: Field) -> str:
    for suffix in ("_id", "_ids"):
        if known.name.endswith(suffix):
            return known.name.removesuffix(suffix).replace("_", "-")
    return ""


def _help(contract: Contract, known: Field) -> str:
    parts = [known.comment.replace("`", "")]
    if contract.is_record(known) and known.repeated:
        parts.append("Repeat it for several.")
    if known.sensitive:
        parts.append("- asks for it, or reads it from standard input.")
    return " ".join(part for part in parts if part)


def _dashed(name: str) -> str:
    return name.replace("_", "-")


def _singular(plural: str) -> str:
    return plural.removesuffix("ies") + "y" if plural.endswith("ies") else plural.removesuffix("s")
