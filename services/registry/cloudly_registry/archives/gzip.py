"""Archives that came through gzip (`docker save web | gzip`), unpacked as they come."""

import asyncio
import zlib
from collections.abc import AsyncIterator

from cloudly_registry.archives.tar import ArchiveInvalid

_MAGIC = b"\x1f\x8b"
_GZIP = 31
"""zlib's `wbits` for a gzip header and trailer."""
_PIECE = 1 << 20


async def unpacked(source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The bytes as they are, or unpacked where they begin as gzip does (RFC 1952; also several members in a row).

    Raises:
        ArchiveInvalid: they are damaged, or end in the middle.
    """
    head = b""
    async for piece in source:
        head += piece
        if len(head) >= len(_MAGIC):
            break
    if not head.startswith(_MAGIC):
        yield head
        async for piece in source:
            yield piece
        return
    member = zlib.decompressobj(_GZIP)
    async for piece in _behind(head, source):
        packed = piece
        while packed:
            if member.eof:
                member = zlib.decompressobj(_GZIP)
            try:
                yield await asyncio.to_thread(member.decompress, packed, _PIECE)
            except zlib.error as error:
                raise ArchiveInvalid(f"what gzip made of it is damaged ({error})") from error
            packed = member.unused_data if member.eof else member.unconsumed_tail
    if not member.eof:
        raise ArchiveInvalid("it ends in the middle")


async def _behind(head: bytes, source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield head
    async for piece in source:
        yield piece
