"""What `up` shows: every process' lines with its name in front, calm enough to read, and the words of welcome."""

import os
import sys
from pathlib import Path
from typing import TextIO

from cloudly_local.log_files import LEVELS, Line, follow

COLOURS = (36, 32, 33, 35, 34, 96, 92, 93, 95, 94)
"""SGR foreground colours that can be read on light and dark."""
QUIET_EVENTS = frozenset({"service.started", "service.stopped", "rpc.finished", "http.finished"})
"""Each says nothing to somebody who watches the whole suite."""
TALKATIVE = frozenset({"mongo", "redis"})
"""Servers whose lines stay in their files."""


def is_worth_showing(line: Line, level: str) -> bool:
    """Whether a line belongs on a calm terminal."""
    if not line.is_event():
        return line.process not in TALKATIVE and bool(line.text.strip())
    if LEVELS.get(line.level(), 20) < LEVELS[level]:
        return False
    return LEVELS.get(line.level(), 20) > LEVELS["info"] or line.event() not in QUIET_EVENTS


class Printer:
    """Puts the processes' names in front of their lines; colours only on a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._colours = stream.isatty()
        self._seen: dict[str, int] = {}

    def show(self, line: Line) -> None:
        """Print one line."""
        name = f"{line.process:<15}"
        text = line.readable().replace("\n", "\n" + " " * 16)
        if self._colours:
            colour = self._seen.setdefault(line.process, COLOURS[len(self._seen) % len(COLOURS)])
            name = f"\x1b[{colour}m{name}\x1b[0m"
            severity = LEVELS.get(line.level(), 20)
            if severity > LEVELS["info"]:
                text = f"\x1b[{31 if severity > LEVELS['warning'] else 33}m{text}\x1b[0m"
        print(name, text, file=self._stream, flush=True)


async def show_logs(directory: Path, level: str) -> None:
    """Print what the processes say from now on, as long as somebody reads it."""
    printer = Printer(sys.stdout)
    try:
        async for line in follow(directory):
            if is_worth_showing(line, level):
                printer.show(line)
    except BrokenPipeError:
        # Nobody looks any more (`cloudly-local up | head`); the suite goes on, and its logs are in files.
        leave_terminal()


def leave_terminal() -> None:
    """Write nothing more to where standard output and error led."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (1, 2):
        os.dup2(nothing, descriptor)
    os.close(nothing)


def welcome(url: str, login: str, seconds: float) -> str:
    """The words of welcome; `login` is `user:password` at the first start, and shown this once."""
    lines = [f"Cloudly is up after {seconds:.1f} s:  {url}"]
    if login:
        user, _, password = login.partition(":")
        lines += ["", f"  user      {user}", f"  password  {password}", "", "Shown only this once; keep it."]
    width = max(map(len, lines))
    rule = "─" * (width + 4)
    return "\n".join([f"╭{rule}╮", *(f"│  {line:<{width}}  │" for line in lines), f"╰{rule}╯"])
