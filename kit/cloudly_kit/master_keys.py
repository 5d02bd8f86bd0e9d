"""Master keys: where they come from, which one seals, which others still open, and how they are changed while all runs.

They come from CLOUDLY_MASTER_KEY, from the file that CLOUDLY_MASTER_KEY_FILE names, or from what
CLOUDLY_MASTER_KEY_COMMAND prints: keys of 32 bytes in base64, parted by white space, of which the first seals and all
open. Without any of these there is `<keys dir>/master.json`, which Cloudly makes and rotates itself:

    {"current": id, "keys": {id: base64}, "retired": {id: time}}

A key that is neither current nor retired waits to be promoted. Files are read again as soon as they change, the command
is run again by `follow`; the environment of a process stays.
"""

import asyncio
import base64
import binascii
import contextlib
import fcntl
import hashlib
import json
import os
import secrets
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import structlog

from cloudly_kit.config import ServiceSettings
from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.hints import Hints

KEY_BYTES = 32
FILE = "master.json"
COMMAND_SECONDS = 30
RERUN_SECONDS = 5.0
"""So long a command is not run again, whoever asks."""
FOLLOW_SECONDS = 60.0
HINT = "master-keys"
"""The hint that the keys have changed."""

VARIABLES = ("CLOUDLY_MASTER_KEY", "CLOUDLY_MASTER_KEY_FILE", "CLOUDLY_MASTER_KEY_COMMAND")
Source = Literal["keys file", "environment", "file", "command"]

log = structlog.get_logger()


@dataclass(frozen=True)
class KeySet:
    """Master keys by id. New values are sealed with the current one."""

    current: str
    keys: Mapping[str, bytes] = field(repr=False)
    retired: Mapping[str, datetime] = field(default_factory=dict)
    """Since when earlier keys of the keys file have not sealed any more."""

    def __post_init__(self) -> None:
        if self.current not in self.keys or any(len(key) != KEY_BYTES for key in self.keys.values()):
            raise ValueError(f"master keys are {KEY_BYTES} bytes each, and the current one is among them")

    @property
    def waiting(self) -> str | None:
        """The key that was made and not promoted yet."""
        others = (id for id in self.keys if id != self.current and id not in self.retired)
        return next(others, None)


def key_id(key: bytes) -> str:
    """The id of a key, the same wherever it is kept; it tells nothing of the key."""
    return hashlib.sha256(b"cloudly master key\n" + key).hexdigest()[:16]


class MasterKeys:
    """The master keys of this process, as they are now."""

    def __init__(self, settings: ServiceSettings) -> None:
        """Read them; the keys file is made where there are no keys at all.

        Raises:
            ValueError: a key or file is malformed, the command fails, or several sources are set.
        """
        self._given, self.source = _given(settings)
        self.file = KeysFile(settings.keys_dir / FILE)
        if self._given is None:
            self.file.make()
        self._stamp = self._stamps()
        self._set = self._read()
        self.news = asyncio.Event()
        """Somebody has a reason to think that the keys have changed."""

    def present(self) -> KeySet:
        """The keys; files that have changed are read again, and where that fails the keys stay as they were."""
        stamp = self._stamps()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._set = self._read()
            except (ValueError, OSError) as error:
                log.warning("master_keys.not_read", source=self.source, error=str(error))
            else:
                log.info("master_keys.read", source=self.source, current=self._set.current, keys=len(self._set.keys))
        return self._set

    def look_again(self) -> KeySet:
        """As `present`, with the command run again; it blocks for as long as the command takes."""
        if isinstance(self._given, _Command):
            self._given.run_again()
        return self.present()

    def missed(self) -> None:
        """Have whoever follows the keys look again: a value names one that is not here."""
        self.news.set()

    def _stamps(self) -> tuple[object, object]:
        return self._given.stamp() if self._given else None, self.file.stamp()

    def _read(self) -> KeySet:
        filed = self.file.read() if self.file.stamp() is not None else None
        if self._given is None:
            if filed is None:
                raise ValueError(f"{self.file.path} is gone")
            return filed
        given = _parsed(self._given.text(), self.source)
        # What the keys file's keys sealed before stays readable, and is re-wrapped by the next rotation.
        return replace(given, keys={**(filed.keys if filed else {}), **given.keys})


async def follow(keys: MasterKeys, hints: Hints) -> None:
    """Look at the keys again when told, when one is missed, and now and then; for ever."""

    async def listen() -> None:
        async for _ in hints.subscribe(HINT):
            keys.news.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(listen())
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(keys.news.wait(), FOLLOW_SECONDS)
            keys.news.clear()
            await asyncio.to_thread(keys.look_again)


class KeysFile:
    """`master.json`: changed under a lock, whole or not at all, readable by its owner alone."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def stamp(self) -> tuple[int, int, int] | None:
        """Differs whenever the content does; None where there is no file."""
        return _stamp(self.path)

    def read(self) -> KeySet:
        """What it holds.

        Raises:
            ValueError: it is no file of master keys.
        """
        try:
            stored = json.loads(self.path.read_text())
            keys = {id: _decoded(text, str(self.path)) for id, text in stored["keys"].items()}
            retired = {id: datetime.fromisoformat(time) for id, time in stored.get("retired", {}).items()}
            return KeySet(str(stored["current"]), keys, retired)
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
            raise ValueError(f"{self.path} is no file of master keys") from error

    def make(self) -> None:
        """Make it with one key, unless it is there."""
        if self.stamp() is not None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._locked():
            if self.stamp() is None:
                key = secrets.token_bytes(KEY_BYTES)
                self._write(KeySet(key_id(key), {key_id(key): key}))

    def add(self) -> str:
        """Put a new key there, which waits; answers its id. One that waits already is taken instead.

        Raises:
            OSError: the file or its directory cannot be written.
        """
        key = secrets.token_bytes(KEY_BYTES)

        def added(present: KeySet) -> KeySet:
            return present if present.waiting else replace(present, keys={**present.keys, key_id(key): key})

        waiting = self._change(added).waiting
        crashpoint("master_keys.added")
        assert waiting is not None
        return waiting

    def promote(self, id: str) -> None:
        """Have the key seal from now on, and the one before it retire. Repeating it changes nothing."""

        def promoted(present: KeySet) -> KeySet:
            if present.current == id:
                return present
            retired = {old: since for old, since in present.retired.items() if old != id}
            return KeySet(id, present.keys, {**retired, present.current: datetime.now(UTC)})

        self._change(promoted)
        crashpoint("master_keys.promoted")

    def drop(self, ids: set[str]) -> None:
        """Take keys out, for ever; the current one stays whatever is asked."""

        def dropped(present: KeySet) -> KeySet:
            kept = {id: key for id, key in present.keys.items() if id not in ids or id == present.current}
            return KeySet(present.current, kept, {id: at for id, at in present.retired.items() if id in kept})

        self._change(dropped)
        crashpoint("master_keys.dropped")

    def _change(self, change: Callable[[KeySet], KeySet]) -> KeySet:
        with self._locked():
            present = self.read()
            changed = change(present)
            if changed != present:
                self._write(changed)
            return changed

    def _write(self, content: KeySet) -> None:
        stored = {
            "current": content.current,
            "keys": {id: base64.b64encode(key).decode() for id, key in content.keys.items()},
            "retired": {id: since.isoformat() for id, since in content.retired.items()},
        }
        # Under the lock there is one writer, so a name that a dead one left behind is used again.
        building = self.path.with_name(f".{self.path.name}.new")
        descriptor = os.open(building, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(stored, file)
            file.flush()
            os.fsync(file.fileno())
        crashpoint("master_keys.written")
        building.replace(self.path)
        directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            yield
        finally:
            os.close(directory)


class _Environment:
    """Keys from a variable, which stays as it is for the life of the process."""

    def __init__(self, text: str) -> None:
        self._text = text

    def stamp(self) -> object:
        return None

    def text(self) -> str:
        return self._text


class _TextFile:
    """Keys from a file of somebody else's making."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def stamp(self) -> object:
        return _stamp(self._path)

    def text(self) -> str:
        try:
            return self._path.read_text("ascii", "replace")
        except OSError as error:
            raise ValueError(f"CLOUDLY_MASTER_KEY_FILE: {error.strerror}") from error


class _Command:
    """Keys from what a command prints. No shell reads it; neither its output nor what it complains about is repeated."""

    def __init__(self, command: str) -> None:
        self._command = command
        self._ran = -RERUN_SECONDS
        self._text = ""
        self.run_again()

    def stamp(self) -> object:
        return self._text

    def text(self) -> str:
        return self._text

    def run_again(self) -> None:
        if time.monotonic() - self._ran < RERUN_SECONDS:
            return
        self._ran = time.monotonic()
        try:
            self._text = self._printed()
        except ValueError as error:
            if not self._text:
                raise
            log.warning("master_keys.command_failed", error=str(error))

    def _printed(self) -> str:
        variable = "CLOUDLY_MASTER_KEY_COMMAND"
        try:
            done = subprocess.run(shlex.split(self._command), capture_output=True, timeout=COMMAND_SECONDS, check=False)
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            raise ValueError(f"{variable} cannot be run: {type(error).__name__}") from None
        if done.returncode or not done.stdout.strip():
            raise ValueError(f"{variable} ended with {done.returncode} and printed {len(done.stdout)} bytes")
        return done.stdout.decode("ascii", "replace")


def _given(settings: ServiceSettings) -> tuple[_Environment | _TextFile | _Command | None, Source]:
    key, file, command = settings.master_key.get_secret_value(), settings.master_key_file, settings.master_key_command
    if sum(map(bool, (key, file, command))) > 1:
        raise ValueError(f"set one of {', '.join(VARIABLES)}")
    if key:
        return _Environment(key), "environment"
    if file:
        return _TextFile(file), "file"
    return (_Command(command), "command") if command else (None, "keys file")


def _parsed(text: str, source: Source) -> KeySet:
    keys = [_decoded(word, f"the {source} of master keys") for word in text.split()]
    if not keys:
        raise ValueError(f"the {source} of master keys is empty")
    return KeySet(key_id(keys[0]), {key_id(key): key for key in keys})


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _decoded(text: str, where: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"{where} holds no base64") from error
