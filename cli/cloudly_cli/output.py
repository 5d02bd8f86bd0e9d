"""Answers as a table for people, or as JSON or YAML for programs."""

import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from cloudly_cli.contract import Verb

FORMATS = ("table", "json", "yaml")
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
_AGES = ((86400, "d"), (3600, "h"), (60, "m"))


def show(verb: Verb, answer: Any, form: str) -> None:
    """Print an answer: all of it for programs, the verb's columns for people."""
    if form != "table":
        click.echo(dumped(answer, form), nl=form == "json")
        return
    records = answer if isinstance(answer, list) else [record_of(verb, answer)]
    if verb.columns and (records or isinstance(answer, list)):
        show_table([header(column) for column in verb.columns], [row(verb, record) for record in records])
    if isinstance(answer, dict):
        record = record_of(verb, answer)
        if not verb.columns and record is not answer and "id" in record:
            click.echo(f"{verb.noun} {record.get('name') or ''} ({record['id']})")
        shown_once = {key: value for key, value in answer.items() if isinstance(value, str) and _is_secret(verb, key)}
        for key, value in shown_once.items():
            if key not in verb.columns:
                click.echo(f"{header(key)}: {value}")
        if not verb.columns and not shown_once:
            click.echo("Done.")


def show_notes(verb: Verb, records: Sequence[Mapping[str, Any]]) -> None:
    """Print the verb's notes of each record, a paragraph each, below the table."""
    for record in records:
        lines = [plain(str(record[name])) for name in verb.notes if record.get(name)]
        if lines:
            click.echo("\n" + "\n".join(lines))


def dumped(value: Any, form: str) -> str:
    """A value as JSON or YAML."""
    if form == "json":
        return json.dumps(value, indent=2, ensure_ascii=False)
    import yaml

    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True))


def record_of(verb: Verb, answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record that the columns are about."""
    if verb.http["responseBody"] or verb.record == verb.method["response"]:
        return answer
    inner = next((f.json for f in verb.response.values() if f.type == verb.record), "")
    found: Mapping[str, Any] = answer.get(inner) or {}
    return found


def row(verb: Verb, record: Mapping[str, Any]) -> list[str]:
    """The cells of a record."""
    return [_cell(verb, record, column) for column in verb.columns]


def header(column: str) -> str:
    """`status.readyReplicas` -> `ready replicas`."""
    name = column.rpartition(".")[2]
    return "".join(f" {c.lower()}" if c.isupper() else c for c in name)


def show_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table: in colour and cut to the window on a terminal, else whole and plain."""
    if not sys.stdout.isatty():
        click.echo(plain_table(headers, rows))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="dim")
    for name in headers:
        table.add_column(name, overflow="ellipsis", no_wrap=name in {"id", "name"})
    for cells in rows:
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in cells))
    Console().print(table)


def plain_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns with spaces between."""
    lines = [[name.upper() for name in headers], *(list(cells) for cells in rows)]
    widths = [max(_width(line[index]) for line in lines) for index in range(len(headers))]
    return "\n".join(aligned(line, widths) for line in lines)


def aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    """One line of a table."""
    padded = [cell + " " * max(0, width - _width(cell)) for cell, width in zip(cells, widths, strict=True)]
    return "  ".join(padded).rstrip()


_STYLES = {"online": "green", "succeeded": "green", "running": "green", "failed": "red", "offline": "red"}


def _cell(verb: Verb, record: Mapping[str, Any], column: str) -> str:
    value: Any = record
    message, known = verb.record, None
    for name in column.split("."):
        fields = {f.json: f for f in verb.contract.fields(message).values()}
        known = fields[name]
        value = value.get(name) if isinstance(value, Mapping) else None
        message = known.type if verb.contract.is_record(known) else message
    assert known is not None
    return _text(verb, known.type, column, value)


def _text(verb: Verb, type_name: str, column: str, value: Any) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, list):
        return ",".join(_text(verb, type_name, column, item) for item in value) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    enum = verb.contract.enum(type_name)
    if enum is not None:
        return next((short for short, full in enum.items() if full == value), "-")
    if type_name == "google.protobuf.Timestamp":
        return age(value)
    if column.endswith("Bytes"):
        return size(int(value))
    return plain(str(value))


def plain(text: str) -> str:
    """A text without control characters: those in names or messages must not steer the terminal."""
    return "".join(c if unicodedata.category(c)[0] != "C" else " " for c in text)


def age(text: str, now: datetime | None = None) -> str:
    """A time as how long ago it was, or how far off it is."""
    try:
        seconds = ((now or datetime.now(UTC)) - datetime.fromisoformat(text)).total_seconds()
    except ValueError:
        return text
    amount = abs(int(seconds))
    shown = next((f"{amount // length}{unit}" for length, unit in _AGES if amount >= length), f"{amount}s")
    return f"{shown} ago" if seconds >= 0 else f"in {shown}"


def size(count: int) -> str:
    """`1536` -> `1.5 KiB`."""
    amount, unit = float(count), _UNITS[0]
    for unit in _UNITS:
        if amount < 1024 or unit == _UNITS[-1]:
            break
        amount /= 1024
    return f"{count} B" if unit == "B" else f"{amount:.1f} {unit}"


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _is_secret(verb: Verb, key: str) -> bool:
    return any(f.json == key and f.sensitive for f in verb.response.values())
