"""Watches: events as they come, over broken connections, until the stream ends or Ctrl-C."""

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import click

from cloudly_cli.client import Client
from cloudly_cli.contract import Verb
from cloudly_cli.failures import Failure, Problem
from cloudly_cli.output import aligned, header, record_of, row

UNAUTHORIZED = 401
_LONGEST_PAUSE = 10.0
_MIN_WIDTHS = (8, 8)


@dataclass(frozen=True)
class Event:
    """One event of a stream."""

    name: str
    data: Any
    cursor: str


def watch(client: Client, verb: Verb, path: str, query: dict[str, Any], form: str, only_id: str = "") -> None:
    """Print a watch; with `only_id`, of one resource alone."""
    printer = _Printer(verb, form)
    for event in _follow(client, path, query):
        record = record_of(verb, event.data)
        if event.name == "bookmark" or (only_id and record.get("id") != only_id):
            continue
        printer.print(event, record)


def _follow(client: Client, path: str, query: dict[str, Any]) -> Iterator[Event]:
    import httpx

    cursor, pause = "", 0.5
    while True:
        try:
            with client.lines(path, query, "text/event-stream", cursor) as lines:
                for event in parse(lines):
                    pause = 0.5
                    if event.name == "end":
                        return
                    if event.name == "error" and event.data.get("status") == UNAUTHORIZED:
                        # The login that opened the stream has ended: opened anew it is renewed, or refused.
                        break
                    if event.name == "error":
                        raise Problem(int(event.data.get("status", 500)), event.data)
                    cursor = event.cursor or cursor
                    yield event
        except Problem as problem:
            # A cursor that is too old: from the beginning again. A part that is away: it comes back.
            if problem.reason == "CURSOR_LOST" and cursor:
                cursor = ""
                continue
            if problem.status < 500:
                raise
        except httpx.ConnectError as error:
            if not cursor:
                raise Failure(f"Cloudly does not answer at {client.url}: {error}") from error
        except httpx.TransportError:
            pass
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


def parse(lines: Iterable[str]) -> Iterator[Event]:
    """The events in the lines of a stream (HTML, "Server-sent events")."""
    name, data, cursor = "message", "", ""
    for line in lines:
        if line:
            key, _, value = line.partition(":")
            value = value.removeprefix(" ")
            name = value if key == "event" else name
            data = value if key == "data" else data
            cursor = value if key == "id" else cursor
        elif data:
            yield Event(name, json.loads(data), cursor)
            name, data, cursor = "message", "", ""


class _Printer:
    def __init__(self, verb: Verb, form: str) -> None:
        self._verb = verb
        self._form = form
        self._widths: list[int] = []

    def print(self, event: Event, record: Any) -> None:
        if self._form == "json":
            click.echo(json.dumps({"event": event.name, **event.data}, ensure_ascii=False))
        elif self._form == "yaml":
            import yaml

            click.echo("---\n" + yaml.safe_dump({"event": event.name, **event.data}, sort_keys=False), nl=False)
        else:
            self._line([time.strftime("%H:%M:%S"), event.name, *row(self._verb, record)])

    def _line(self, cells: list[str]) -> None:
        if not self._widths:
            headers = ["time", "event", *(header(column) for column in self._verb.columns)]
            self._widths = [max(len(name), len(cell)) for name, cell in zip(headers, cells, strict=True)]
            click.echo(aligned([name.upper() for name in headers], self._widths))
        self._widths = [max(width, len(cell)) for width, cell in zip(self._widths, cells, strict=True)]
        click.echo(aligned(cells, self._widths))
