"""The log files: each process writes its own by itself, so that neither a slow terminal nor a dead supervisor holds it up;
here they are kept small, followed, and put into lines for people.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

LARGEST_BYTES = 20 * 1024 * 1024
POLL_SECONDS = 0.2
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_OF_NO_INTEREST = frozenset({"event", "level", "time", "service", "exception", "timestamp"})


def rotate(log: Path, largest: int = LARGEST_BYTES) -> None:
    """Put a log that has grown too large aside, as `<name>.log.1`, in place of the one before it."""
    if log.exists() and log.stat().st_size > largest:
        log.replace(log.with_name(log.name + ".1"))


def cut(log: Path, largest: int = LARGEST_BYTES) -> None:
    """As `rotate`, for a log that a process is writing to: its content is copied, then the same file is emptied.

    The process goes on at the start, since it appends (O_APPEND). Lines written during the copy may be lost.
    """
    if log.exists() and log.stat().st_size > largest:
        log.with_name(log.name + ".1").write_bytes(log.read_bytes())
        os.truncate(log, 0)


@dataclass(frozen=True)
class Line:
    """A line of a log."""

    process: str
    text: str

    def level(self) -> str:
        """Its level; what is not one of our events counts as info."""
        fields = self._fields()
        return str(fields.get("level", "info")) if fields else "info"

    def event(self) -> str:
        """The name of the event; empty for other people's lines."""
        fields = self._fields()
        return str(fields["event"]) if fields else ""

    def is_event(self) -> bool:
        """Whether it is an event with fields, as our own processes write them."""
        return self._fields() is not None

    def readable(self) -> str:
        """`12:00:01 cluster.created cluster=x`; other people's lines as they are."""
        fields = self._fields()
        if fields is None:
            return self.text
        time = str(fields.get("time", ""))[11:19]
        words = [f"{name}={value}" for name, value in fields.items() if name not in _OF_NO_INTEREST]
        head = " ".join([time, str(fields["event"]), *words])
        exception = str(fields.get("exception", ""))
        return f"{head}\n{exception}" if exception else head

    def _fields(self) -> dict[str, object] | None:
        if not self.text.startswith("{"):
            return None
        try:
            fields = json.loads(self.text)
        except ValueError:
            return None
        return fields if isinstance(fields, dict) and "event" in fields else None


def read(logs: Iterable[Path], lines: int) -> list[Line]:
    """The last lines of each log."""
    found = []
    for log in logs:
        if log.exists():
            with log.open("rb") as stream:
                # Enough for lines of 400 bytes on average.
                stream.seek(max(0, log.stat().st_size - lines * 400))
                texts = stream.read().decode(errors="replace").splitlines()[-lines:]
            found += [Line(log.stem, text) for text in texts]
    return found


async def follow(directory: Path, names: Iterable[str] = (), *, from_start: bool = False) -> AsyncIterator[Line]:
    """The lines that the logs in a directory grow by (all of them, or those named), for ever."""
    wanted = frozenset(names)
    tails: dict[Path, _Tail] = {}
    first = True
    while True:
        for log in sorted(directory.glob("*.log")):
            if log not in tails and (not wanted or log.stem in wanted):
                # A log that appears later is new from its start.
                tails[log] = _Tail(log, 0 if from_start or not first else log.stat().st_size)
        first = False
        for tail in tails.values():
            for text in tail.read():
                yield Line(tail.log.stem, text)
        await asyncio.sleep(POLL_SECONDS)


class _Tail:
    def __init__(self, log: Path, position: int) -> None:
        self.log = log
        self._position = position
        self._part = b""
        self._inode = 0

    def read(self) -> list[str]:
        try:
            found = self.log.stat()
        except FileNotFoundError:
            return []
        if found.st_size < self._position or (self._inode and found.st_ino != self._inode):
            # Emptied, or another file by the same name.
            self._position, self._part = 0, b""
        self._inode = found.st_ino
        if found.st_size == self._position:
            return []
        with self.log.open("rb") as stream:
            stream.seek(self._position)
            grown = stream.read(1 << 20)
        self._position += len(grown)
        *whole, self._part = (self._part + grown).split(b"\n")
        return [line.decode(errors="replace") for line in whole]
