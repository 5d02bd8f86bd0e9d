"""The tar format over asynchronous pieces (POSIX.1-2017 `ustar` and `pax`, and GNU's long names).

`tarfile` wants a file to read from; here the bytes come as they come, and only as fast as they are used.
"""

import tarfile
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field

from cloudly_kit.errors import InvalidArgument

_BLOCK = tarfile.BLOCKSIZE
_MOST_METADATA = 1 << 20
_LONG_NAMES = {tarfile.GNUTYPE_LONGNAME: "path", tarfile.GNUTYPE_LONGLINK: "linkpath"}


class ArchiveInvalid(InvalidArgument):
    """The archive is cut off, or is none."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the archive cannot be used: {why}")


class Pieces:
    """Bytes in pieces, taken in the amounts that somebody wants."""

    def __init__(self, source: AsyncIterator[bytes]) -> None:
        self._source = source
        self._rest: memoryview = memoryview(b"")

    async def take(self, count: int) -> AsyncIterator[bytes]:
        """The next `count` bytes, as they come. Raises ArchiveInvalid where there are fewer."""
        while count:
            if not self._rest:
                self._rest = memoryview(await self._next())
                continue
            piece, self._rest = self._rest[:count], self._rest[count:]
            count -= len(piece)
            yield bytes(piece)

    async def exactly(self, count: int) -> bytes:
        """The next `count` bytes at once; only for few."""
        return b"".join([piece async for piece in self.take(count)])

    async def drain(self) -> None:
        """Take all that is left, and forget it."""
        self._rest = memoryview(b"")
        async for _ in self._source:
            pass

    async def _next(self) -> bytes:
        try:
            return await anext(self._source)
        except StopAsyncIteration:
            raise ArchiveInvalid("it ends in the middle") from None


@dataclass
class Entry:
    """A file or link in an archive. `data` can be used until the next entry is asked for."""

    name: str
    size: int
    link: str
    """What a symbolic or hard link points to, as it is written; empty for a file."""
    symbolic: bool
    _pieces: Pieces
    _left: int = field(init=False)

    def __post_init__(self) -> None:
        self._left = self.size

    async def data(self) -> AsyncIterator[bytes]:
        """The content, as it comes."""
        async for piece in self._pieces.take(self._left):
            self._left -= len(piece)
            yield piece

    async def skip(self) -> None:
        """Leave out what was not read, and the padding."""
        async for _ in self.data():
            pass
        await self._pieces.exactly(-self.size % _BLOCK)


async def entries(source: AsyncIterator[bytes]) -> AsyncIterator[Entry]:
    """The files and links of an archive, in its order. Raises ArchiveInvalid."""
    pieces = Pieces(source)
    told: dict[str, str] = {}
    while True:
        header = _header(await pieces.exactly(_BLOCK))
        if header is None:
            await pieces.drain()
            return
        if header.type in (tarfile.XHDTYPE, tarfile.XGLTYPE, *_LONG_NAMES):
            body = await _metadata(pieces, header.size)
            if header.type == tarfile.XHDTYPE:
                told |= _pax(body)
            elif header.type in _LONG_NAMES:
                told[_LONG_NAMES[header.type]] = body.rstrip(b"\0").decode("utf-8", "surrogateescape")
            continue
        size = _size(told.get("size", str(header.size)))
        linked = header.type in (tarfile.SYMTYPE, tarfile.LNKTYPE)
        is_file = header.isreg()
        entry = Entry(
            told.get("path", header.name),
            size if is_file else 0,
            told.get("linkpath", header.linkname) if linked else "",
            header.type == tarfile.SYMTYPE,
            pieces,
        )
        told = {}
        if is_file or linked:
            yield entry
        await entry.skip()


def header(name: str, size: int) -> bytes:
    """What stands before a file's bytes; the same file always has the same."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    return info.tobuf(tarfile.PAX_FORMAT)


def padding(size: int) -> bytes:
    """What stands behind a file's bytes."""
    return bytes(-size % _BLOCK)


END = bytes(2 * _BLOCK)
"""What stands at the end of an archive."""


def _header(block: bytes) -> tarfile.TarInfo | None:
    """A header; None at the end."""
    if not block.strip(b"\0"):
        return None
    try:
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        raise ArchiveInvalid(f"it is no tar archive ({error})") from error


async def _metadata(pieces: Pieces, size: int) -> bytes:
    if size > _MOST_METADATA:
        raise ArchiveInvalid("a file's name is longer than a mebibyte")
    body = await pieces.exactly(size)
    await pieces.exactly(-size % _BLOCK)
    return body


def _pax(body: bytes) -> Mapping[str, str]:
    return dict(_records(body))


def _records(body: bytes) -> Iterator[tuple[str, str]]:
    """Length, space, key, `=`, value, newline; the length counts all of it."""
    while body:
        length, space, rest = body.partition(b" ")
        end = _size(length.decode("ascii", "replace")) - len(length) - 1
        key, equals, value = rest[: max(end, 0)].removesuffix(b"\n").partition(b"=")
        if not space or not equals or end <= 0:
            raise ArchiveInvalid("an extended header is malformed")
        yield key.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape")
        body = rest[end:]


def _size(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ArchiveInvalid(f"a size is malformed: {text[:40]!r}")
    return int(text)
