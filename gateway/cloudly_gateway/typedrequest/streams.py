"""VirtualStreams: bytes beside the envelopes, in either direction (wire format §6).

The client that fired the request starts every exchange; this side only answers. Messages carry nothing but the stream's
id, so it is the id that is secret, and a stream exists only after its request was admitted. Each is one of

    Incoming   the client's chunks, for whoever reads it; while that one is behind, `backpressure` is answered
    Outgoing   pieces from a reader that is only read as fast as the client asks

and is given up when the client has been silent for IDLE_SECONDS: living clients send a keepAlive every second.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any

import orjson
import structlog
from cloudly_kit.errors import DomainError, InvalidArgument, RateLimited
from prometheus_client import Gauge

from cloudly_gateway.typedrequest import binary

log = structlog.get_logger()

METHOD = "##VirtualStream##"
CLOSING = "#############CLOSING BIT#############"
IDLE_SECONDS = 30.0
MOST = 64
"""Streams at once; each holds at most some MiB."""
_CHUNKS = 4
_PIECE = 64 << 10
"""What one answer carries: as JSON it is four times as long."""
_PATIENCE_SECONDS = 5.0
"""How long a message waits for its stream, or for bytes: clients send the first before their request is admitted."""
_SLOW_SECONDS = 0.05
_LOOK_SECONDS = 1.0
STREAMS = Gauge("cloudly_gateway_virtual_streams", "Legacy streams that are open.")

Answer = dict[str, Any]


class Incoming:
    """What a client sends."""

    def __init__(self) -> None:
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue(_CHUNKS)
        self.heard = time.monotonic()
        self.task: asyncio.Task[None] | None = None
        self.error = ""

    @property
    def done(self) -> bool:
        """Whether nobody reads it any more."""
        return self.task is not None and self.task.done()

    async def pieces(self) -> AsyncIterator[bytes]:
        """The chunks, to the end that the client tells."""
        while (chunk := await self._chunks.get()) is not None:
            yield chunk

    async def answer(self, request: Mapping[str, Any]) -> Answer:
        """Take a message in. The end is answered once the reader has come to an end too."""
        self.heard = time.monotonic()
        if request.get("mainPurpose") == "chunk" and not self.done:
            await self._take(request.get("chunkData"))
        return {"keepAlive": not self.done, "next": False, "backpressure": self._chunks.full() and not self.done}

    async def _take(self, told: Any) -> None:
        chunk = None if told == CLOSING else binary.read(told)
        if chunk is None and told != CLOSING:
            raise InvalidArgument.of(("chunkData", "must be binary data"))
        if chunk == b"":
            return
        assert self.task is not None
        putting = asyncio.ensure_future(self._chunks.put(chunk))
        # A reader that has failed takes nothing more; its error is told by `keepAlive: false`.
        await asyncio.wait({putting, self.task}, return_when=asyncio.FIRST_COMPLETED)
        putting.cancel()
        if chunk is None:
            await asyncio.wait({self.task})


class Outgoing:
    """What a client is sent."""

    def __init__(self, source: AsyncIterator[bytes]) -> None:
        self._source = source
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue(1)
        self.heard = time.monotonic()
        self.task: asyncio.Task[None] | None = None
        self.error = ""
        self._ended = False

    @property
    def done(self) -> bool:
        """Whether all was sent, or nothing more will come."""
        return self._ended or bool(self.error)

    async def pump(self) -> None:
        """Read the source as fast as the client takes it."""
        async for piece in self._source:
            for start in range(0, len(piece), _PIECE):
                await self._pieces.put(piece[start : start + _PIECE])
        await self._pieces.put(None)

    async def answer(self, request: Mapping[str, Any]) -> Answer:
        """Answer a message."""
        self.heard = time.monotonic()
        told: Answer = {"keepAlive": not self.done, "next": not self.done, "backpressure": False}
        if request.get("mainPurpose") != "read" or self.done:
            return told
        if request.get("backpressure"):
            # It asks without being able to take anything, as fast as it is answered.
            await asyncio.sleep(_SLOW_SECONDS)
            return told
        with contextlib.suppress(TimeoutError):
            piece = await asyncio.wait_for(self._pieces.get(), _PATIENCE_SECONDS)
            self._ended = piece is None
            told |= {"mainPurpose": "chunk", "chunkData": CLOSING if piece is None else binary.write(piece)}
        # keepAlive stays true until the end has been delivered: the next message is told the rest.
        told["next"] = not self.done
        return told


Stream = Incoming | Outgoing
Work = Callable[[AsyncIterator[bytes]], Coroutine[Any, Any, None]]


class Streams:
    """The streams of this process."""

    def __init__(self, stopping: asyncio.Event) -> None:
        self._stopping = stopping
        self._streams: dict[str, Stream] = {}
        self._opened = asyncio.Condition()
        self._waiting = 0

    async def receive(self, id: str, work: Work) -> None:
        """Have `work` read what a client sends under `id`.

        Raises:
            InvalidArgument: the id is in use, or none.
            RateLimited: there are too many.
        """
        stream = Incoming()
        await self._open(id, stream, work(stream.pieces()))

    async def send(self, source: AsyncIterator[bytes]) -> dict[str, Any]:
        """The record of a stream that sends the source. Raises RateLimited."""
        stream = Outgoing(source)
        id = f"uni_{secrets.token_hex(12)}"
        await self._open(id, stream, stream.pump())
        return {"_isVirtualStream": True, "streamId": id}

    async def answer(self, text: Mapping[str, Any] | None) -> bytes:
        """The answer to a stream's message."""
        request = text if isinstance(text, Mapping) else {}
        id = request.get("streamId")
        answer: Answer
        error = ""
        stream = await self._find(id) if isinstance(id, str) else None
        if stream is None:
            answer = {"keepAlive": False, "next": False, "backpressure": False}
            error = "Cloudly knows no such stream: it has ended, or its request was refused"
        else:
            try:
                answer, error = await stream.answer(request), stream.error
            except InvalidArgument as invalid:
                answer, error = {"keepAlive": True, "next": False, "backpressure": False}, invalid.message
        purpose = "keepAlive" if request.get("mainPurpose") == "keepAlive" else "feedback"
        response = {"streamId": id, "cycleId": request.get("cycleId"), "cycle": "response", "mainPurpose": purpose}
        document: dict[str, Any] = {"method": METHOD, "request": None, "response": {**response, **answer}}
        if error:
            document["error"] = {"text": error, "data": {}}
        return orjson.dumps({**document, "localData": None})

    async def _open(self, id: str, stream: Stream, work: Coroutine[Any, Any, None]) -> None:
        if not id or id in self._streams:
            work.close()
            raise InvalidArgument.of(("imageStream.streamId", "must be new"))
        if len(self._streams) >= MOST:
            work.close()
            raise RateLimited(int(IDLE_SECONDS))
        self._streams[id] = stream
        stream.task = asyncio.create_task(self._run(id, stream, work))
        async with self._opened:
            self._opened.notify_all()

    async def _run(self, id: str, stream: Stream, work: Coroutine[Any, Any, None]) -> None:
        """Do the work, while the client lives; keep the stream for a while, so that the client hears how it ended."""
        working = asyncio.ensure_future(work)
        try:
            with STREAMS.track_inprogress():
                stream.error = await self._outcome(stream, working)
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            log.info("virtual_stream.ended", error=stream.error)
            asyncio.get_running_loop().call_later(IDLE_SECONDS, self._streams.pop, id, None)

    async def _outcome(self, stream: Stream, working: asyncio.Future[None]) -> str:
        """Wait for the end; why it is no good one."""
        while not working.done():
            await asyncio.wait({working}, timeout=_LOOK_SECONDS)
            if self._stopping.is_set():
                return "the gateway stops: try again"
            if time.monotonic() - stream.heard > IDLE_SECONDS:
                return "the client fell silent"
        try:
            working.result()
        except DomainError as error:
            return error.message
        except Exception:
            log.exception("virtual_stream.failed")
            return "something went wrong here"
        return ""

    async def _find(self, id: str) -> Stream | None:
        if id in self._streams or self._waiting >= MOST:
            return self._streams.get(id)
        self._waiting += 1
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS), self._opened:
                await self._opened.wait_for(lambda: id in self._streams)
        except TimeoutError:
            return None
        finally:
            self._waiting -= 1
        return self._streams.get(id)
