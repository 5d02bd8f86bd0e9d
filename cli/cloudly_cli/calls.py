"""From arguments and flags to one HTTP call: what goes into the path, the query, the body and the headers."""

import json
import re
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from cloudly_cli.contract import Verb

_VARIABLE = re.compile(r"\{([a-z0-9_.]+)\}")
Json = dict[str, Any]


@dataclass
class Call:
    """What is sent."""

    verb: str
    path: str
    query: Json = field(default_factory=dict)
    body: Json | None = None
    headers: dict[str, str] = field(default_factory=dict)


def call_of(verb: Verb, request: Json, etag: str) -> Call:
    """The call for a request message given as nested JSON."""
    rest = json.loads(json.dumps(request))
    path = _VARIABLE.sub(lambda found: _taken(verb, rest, found[1]), verb.http["path"])
    call = Call(verb.http["method"], path)
    if call.verb in {"POST", "PUT", "PATCH"}:
        name = verb.http["body"]
        body_field = verb.request[name].json if name else ""
        call.body = rest.pop(body_field, {}) if body_field else rest
    if call.body is not rest:
        call.query = {key: _text(value) for key, value in rest.items() if value not in ({}, None)}
    if etag:
        call.headers["if-match"] = f'"{etag}"'
    if "request_id" in verb.request:
        # The same key at every repetition of this one command: an answer that was lost makes nothing twice.
        call.headers["idempotency-key"] = secrets.token_hex(16)
    return call


def body_from(text: str | None, file: str | None) -> Json:
    """The resource (or request) that `--json` and `--file` give.

    Raises:
        click.UsageError: it is no object.
    """
    given: Any = {}
    if file:
        import yaml

        try:
            content = sys.stdin.read() if file == "-" else Path(file).read_text()
            # JSON is YAML.
            given = yaml.safe_load(content) or {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise click.UsageError(f"{file} cannot be read: {error}") from error
    if not isinstance(given, dict):
        raise click.UsageError(f"{file} must hold one object")
    if text:
        try:
            more = json.loads(text)
        except ValueError as error:
            raise click.UsageError(f"--json is not JSON: {error}") from error
        if not isinstance(more, dict):
            raise click.UsageError("--json must be an object")
        given = merged(given, more)
    safe: Json = json_safe(given)
    return safe


def json_safe(value: Any) -> Any:
    """YAML's dates as the texts that JSON wants."""
    if isinstance(value, dict):
        return {str(key): json_safe(item) for key, item in value.items()}
    if isinstance(value, list):
        return [json_safe(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Json:
    """Both objects, one laid over the other; objects inside are merged, lists are replaced."""
    result = dict(below)
    for key, value in above.items():
        known = result.get(key)
        result[key] = merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return result


def put(target: Json, path: tuple[str, ...], value: Any) -> None:
    """Set a value deep inside, making the objects in between."""
    *parents, last = path
    for name in parents:
        target = target.setdefault(name, {})
    target[last] = value


def _taken(verb: Verb, rest: Json, dotted: str) -> str:
    from urllib.parse import quote

    fields, target = verb.request, rest
    *parents, last = dotted.split(".")
    for name in parents:
        known = fields[name]
        target, fields = target[known.json], verb.contract.fields(known.type)
    value = target.pop(fields[last].json)
    return quote(str(value), safe="")


def _text(value: Any) -> Any:
    return ("true" if value else "false") if isinstance(value, bool) else value
