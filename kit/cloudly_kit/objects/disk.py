"""Files that survive a power cut: writing, renaming and making names durable, in the order that POSIX asks for."""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from cloudly_kit.errors import Conflict, Unavailable
from cloudly_kit.objects.store import ObjectStat


@contextmanager
def disk_errors() -> Iterator[None]:
    """A full or failing disk, as the error that callers of every store know."""
    try:
        yield
    except (FileNotFoundError, FileExistsError):
        raise
    except (NotADirectoryError, IsADirectoryError) as error:
        raise Conflict("the key is a prefix of other objects, or one of them of it") from error
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise Unavailable(
            "object store", "the disk is full" if full else f"the disk fails: {error.strerror}"
        ) from error


def publish(fd: int, source: Path, target: Path, root: Path) -> None:
    """Move a written file to where readers look: first its bytes are durable, then it appears, then its name is durable."""
    os.fsync(fd)
    made: list[Path] = []
    for _ in range(5):
        try:
            os.rename(source, target)
            break
        except FileNotFoundError:  # no directory yet, or a delete beside us took the empty one away
            if not source.exists():
                raise
            made = make_directories(target.parent, root)
    else:
        raise Conflict("the directory of the object keeps disappearing")
    for directory in {target.parent, *(m.parent for m in made)}:
        sync_directory(directory)


def make_directories(directory: Path, root: Path) -> list[Path]:
    """Make what is missing of `directory` below `root`; answers what was made."""
    missing = []
    step = directory
    while step != root and not step.is_dir():
        missing.append(step)
        step = step.parent
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(directory) from error
    return missing


def sync_directory(directory: Path) -> None:
    """Make names in a directory durable (a rename is not, until its directory is synced)."""
    try:
        fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:  # removed, empty, by another process: nothing in it to keep
        return
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_all(fd: int, data: bytes) -> None:
    """Write everything at the file's position."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def write_at(fd: int, pieces: Sequence[bytes], offset: int) -> None:
    """Write everything at `offset`, many pieces in one system call."""
    for first in range(0, len(pieces), 512):  # IOV_MAX is 1,024
        batch = pieces[first : first + 512]
        expected = sum(map(len, batch))
        written = os.pwritev(fd, batch, offset)
        if written < expected:  # a nearly full disk writes what fits, and fails at the next call
            rest = memoryview(b"".join(batch))[written:]
            while rest:
                written += (count := os.pwrite(fd, rest, offset + written))
                rest = rest[count:]
        offset += expected


def scan(root: Path, directory: str) -> tuple[list[ObjectStat], list[str]]:
    """The objects and the directories in one directory below `root`, as keys; what starts with a dot is neither."""
    objects: list[ObjectStat] = []
    directories: list[str] = []
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(root / directory) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            key = f"{directory}/{entry.name}" if directory else entry.name
            if entry.is_dir(follow_symlinks=False):
                directories.append(key)
            else:
                with suppress(FileNotFoundError):  # deleted while we look
                    objects.append(stat_of(key, entry.stat(follow_symlinks=False)))
    return objects, directories


def find(path: Path, key: str) -> ObjectStat | None:
    """The object in this file; None when there is none, or a directory."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return stat_of(key, found) if stat.S_ISREG(found.st_mode) else None


def stat_of(key: str, found: os.stat_result) -> ObjectStat:
    """What the file system says, in our words."""
    return ObjectStat(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))


def remove(path: Path, root: Path) -> None:
    """Remove a file below `root`, if it is there, and the directories that it leaves empty."""
    try:
        path.unlink()
    except (FileNotFoundError, NotADirectoryError):
        return
    sync_directory(path.parent)
    # Up to the areas themselves; a directory that fills again meanwhile is simply not empty.
    with suppress(OSError):
        while (path := path.parent) != root and path.parent != root:
            path.rmdir()


def remove_older(directory: Path, before: datetime) -> int:
    """Remove the files in one directory that were last written before then; how many."""
    removed = 0
    with os.scandir(directory) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):  # published or removed while we look
                if entry.stat().st_mtime < before.timestamp():
                    os.unlink(entry.path)
                    removed += 1
    return removed
