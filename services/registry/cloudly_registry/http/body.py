"""Reading what clients send: in large pieces, with a limit on silence, and only once somebody wants it."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from aiohttp import web
from aiohttp.client_exceptions import ClientError
from aiohttp.http_exceptions import HttpProcessingError

from cloudly_registry.errors import SizeInvalid, UploadInvalid
from cloudly_registry.http import metrics

_BATCH_BYTES = 1 << 20
"""One trip to a thread hashes and writes about this much."""


class ClientGone(Exception):
    """The client closed the connection in the middle of a body."""


class ClientSilent(UploadInvalid):
    """The client sent nothing for too long."""

    status = 408


def unread(request: web.Request) -> bool:
    """Whether part of the body has not been read."""
    return request.can_read_body and not request.content.at_eof()


def content_length(request: web.Request) -> int | None:
    """How long the body will be; None where the client does not tell (chunked)."""
    return request.content_length if "Transfer-Encoding" not in request.headers else None


async def no_expectation(request: web.Request) -> None:
    """Leave `Expect: 100-continue` alone until the body is wanted: a client that is refused need not send it."""


async def pieces(request: web.Request, idle_seconds: float) -> AsyncIterator[Sequence[bytes]]:
    """The body in batches of about 1 MiB.

    Raises:
        ClientGone: the connection ended before the body did.
        ClientSilent: nothing came for `idle_seconds`.
        UploadInvalid: the body is not HTTP (RFC 9112 §7.1).
    """
    if not request.can_read_body:
        return
    if request.headers.get("Expect", "").lower() == "100-continue" and request.version >= (1, 1):
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    received = 0
    batch: list[bytes] = []
    size = 0
    failure: Exception | None = None
    while True:
        try:
            piece = await _next(request, idle_seconds)
        except (ClientGone, UploadInvalid) as error:
            failure, piece = error, b""  # what came before is kept: the client can go on behind it
        if piece:
            batch.append(piece)
            size += len(piece)
        if size >= _BATCH_BYTES or (batch and not piece):
            received += size
            yield batch
            batch, size = [], 0
        if not piece:
            break
    metrics.BYTES_IN.inc(received)
    if failure is not None:
        raise failure
    expected = content_length(request)
    if expected is not None and received < expected:
        raise ClientGone


async def whole(request: web.Request, limit: int, idle_seconds: float) -> bytes:
    """The whole body. Raises SizeInvalid (413) when it is longer than `limit`, before reading where that is told."""
    expected = content_length(request)
    body = bytearray()
    if expected is None or expected <= limit:
        async for batch in pieces(request, idle_seconds):
            body += b"".join(batch)
            if len(body) > limit:
                break
        else:
            return bytes(body)
    raise SizeInvalid(f"at most {limit} bytes are taken", {"limit": limit}, status=413)


async def _next(request: web.Request, idle_seconds: float) -> bytes:
    try:
        async with asyncio.timeout(idle_seconds):
            return await request.content.readany()
    except TimeoutError:
        raise ClientSilent("nothing was sent for too long") from None
    except (ConnectionError, ClientError) as error:
        raise ClientGone from error
    except (HttpProcessingError, web.RequestPayloadError) as error:
        raise UploadInvalid("the body is malformed") from error
