"""Uploads to S3: segments that are written once by one request, and parts that bound the memory of each."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cloudly_kit.errors import NotFound
from cloudly_kit.ids import new_id
from cloudly_kit.objects.store import Hasher, ObjectStat

if TYPE_CHECKING:
    from cloudly_kit.objects.s3 import S3Store

_MIB = 1 << 20
_PARTS_IN_FLIGHT = 2


class PartWriter:
    """Writes one object of unknown length: small ones in one request, others in parts, at most three in memory."""

    def __init__(self, store: "S3Store", key: str) -> None:
        self.key = key
        self.size = 0
        self._store = store
        self._pieces: list[bytes] = []
        self._pending = 0
        self._upload_id = ""
        self._sending: list[asyncio.Task[str]] = []
        self._etags: list[str] = []

    async def write(self, pieces: Sequence[bytes]) -> None:
        """Take bytes; waits while too many parts are on their way."""
        for piece in pieces:
            self._pieces.append(piece)
            self._pending += len(piece)
            self.size += len(piece)
            if self._pending >= self._part_bytes():
                await self._send_part()

    async def finish(self) -> ObjectStat:
        """Send the rest and let the object appear."""
        if not self._upload_id:
            await self._store.call("put_object", Key=self.key, Body=self._take())
        else:
            if self._pending:
                await self._send_part()
            await self._collect(0)
            parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(self._etags, 1)]
            await self._store.call(
                "complete_multipart_upload", Key=self.key, UploadId=self._upload_id, MultipartUpload={"Parts": parts}
            )
        return ObjectStat(self.key, self.size, datetime.now(UTC))

    async def abort(self) -> None:
        """Forget what was sent."""
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        if self._upload_id:
            await self._store.abort_parts(self.key, self._upload_id)

    def _part_bytes(self) -> int:
        # S3 takes 10,000 parts: 8 MiB each would end at 80 GiB, so later parts are larger.
        return (8 if len(self._etags) + len(self._sending) < 1000 else 64) * _MIB

    def _take(self) -> bytes:
        taken = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces, self._pending = [], 0
        return taken

    async def _send_part(self) -> None:
        if not self._upload_id:
            self._upload_id = (await self._store.call("create_multipart_upload", Key=self.key))["UploadId"]
        await self._collect(_PARTS_IN_FLIGHT - 1)
        number = len(self._etags) + len(self._sending) + 1
        self._sending.append(asyncio.create_task(self._send(number, self._take()), name=f"s3-part-{number}"))

    async def _send(self, number: int, data: bytes) -> str:
        answer = await self._store.call(
            "upload_part", Key=self.key, UploadId=self._upload_id, PartNumber=number, Body=data
        )
        etag: str = answer["ETag"]
        return etag

    async def _collect(self, leave: int) -> None:
        while len(self._sending) > leave:
            self._etags.append(await self._sending[0])
            self._sending.pop(0)


class S3Upload:
    """See Upload. Objects in S3 cannot grow, so each request that appends writes a segment of its own:

    .uploads/<key>                          empty; says that it is under way
    <key>/<offset, 16 hex digits>-<random>

    A segment appears whole and is never written again, so what one replica has hashed no other can change. Mostly one
    segment holds everything, and it is the object; only a client that uploads in many requests has them joined at the end.
    """

    def __init__(self, store: "S3Store", key: str, segments: list[ObjectStat], written: set[str]) -> None:
        self.key = key
        self._store = store
        self._segments = segments
        self._written = written  # also segments that do not count
        self.offset = sum(s.size for s in segments)
        self.committed = False
        self._writer: PartWriter | None = None

    @classmethod
    async def found(cls, store: "S3Store", key: str) -> "S3Upload":
        """The upload as the bucket holds it: from offset 0 on, of rivals at one offset the longest. Raises NotFound."""
        best: dict[int, ObjectStat] = {}
        written, _ = await asyncio.gather(store.listed(key + "/"), store.call("head_object", Key=marker_of(key)))
        for segment in written:
            offset = int(segment.key[len(key) + 1 :].partition("-")[0], 16)
            known = best.get(offset)
            if known is None or (segment.size, segment.key) > (known.size, known.key):
                best[offset] = segment
        chain: list[ObjectStat] = []
        offset = 0
        while (step := best.get(offset)) is not None and step.size:
            chain.append(step)
            offset += step.size
        return cls(store, key, chain, {segment.key for segment in written})

    @property
    def version(self) -> str:
        """See Upload."""
        names = [s.key.rpartition("/")[2] for s in self._segments]
        return ",".join(
            [*names, self._writer.key.rpartition("/")[2] + f"+{self._writer.size}"] if self._writer else names
        )

    async def append(self, pieces: Sequence[bytes], hasher: Hasher | None = None) -> None:
        """See Upload."""
        if hasher is not None:
            await asyncio.to_thread(_hash, pieces, hasher)
        if self._writer is None:
            self._writer = PartWriter(self._store, self._segment_key(self.offset))
        await self._writer.write(pieces)
        self.offset += sum(map(len, pieces))

    async def flush(self) -> None:
        """See Upload."""
        if (writer := self._writer) is not None:
            self._writer = None
            try:
                self._segments.append(await writer.finish())
            except BaseException:
                self.offset -= writer.size
                await writer.abort()
                raise

    async def read(self) -> AsyncIterator[bytes]:
        """See Upload."""
        for segment in self._segments:
            async for piece in self._store.get(segment.key):
                yield piece

    async def commit(self) -> ObjectStat:
        """See Upload."""
        await self.flush()
        if len(self._segments) != 1:
            # The parts stay until the upload ends: a replica that dies here is followed by one that joins them again.
            self._segments = [await self._store.put(self._segment_key(0), self.read())]
        return self._segments[0]

    async def withdraw(self) -> None:
        """See Upload."""
        await self._store.call("delete_object", Key=marker_of(self.key))

    async def rescue(self) -> ObjectStat | None:
        """See Upload. The marker tells; the copy is a segment that whoever discards has not seen."""
        try:
            await self._store.call("head_object", Key=marker_of(self.key))
        except NotFound:
            pass
        else:
            return None
        self._segments = [await self._store.put(self._segment_key(0), self.read())]
        return self._segments[0]

    async def discard(self, keep: str = "") -> None:
        """See Upload. Parts of a write under way are left to its own end, or to `ObjectStore.sweep`."""
        for key in self._written - {keep}:
            await self._store.delete(key)
        await self._store.call("delete_object", Key=marker_of(self.key))

    def _segment_key(self, offset: int) -> str:
        key = f"{self.key}/{offset:016x}-{new_id()}"
        self._written.add(key)
        return key


def marker_of(key: str) -> str:
    """The empty object that says that there is an upload. No object's key starts with a dot."""
    return f".uploads/{key}"


def _hash(pieces: Sequence[bytes], hasher: Hasher) -> None:
    for piece in pieces:
        hasher.update(piece)
