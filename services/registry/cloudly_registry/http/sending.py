"""Sending an object: as a file where the store has one, by redirect where clients can reach the store, else as a stream."""

import asyncio
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import structlog
from aiohttp import hdrs, web
from cloudly_kit.errors import DomainError, NotFound
from cloudly_kit.objects import ObjectStore
from cloudly_kit.objects.disk import disk_errors

from cloudly_registry.http import metrics
from cloudly_registry.http.sendfile import send_file
from cloudly_registry.presence import Presence

log = structlog.get_logger()

REDIRECT_SECONDS = 20 * 60
_SMALL = 64 << 10
"""What is no larger is read and sent together with the head of the answer."""


async def send(
    request: web.Request,
    store: ObjectStore,
    key: str,
    size: int,
    headers: dict[str, str],
    presence: Presence | None = None,
) -> web.StreamResponse:
    """Answer with an object, or the part that a Range header asks for (RFC 9110 §14).

    With `presence` there are redirects, and answers that read nothing (these, and to HEAD) are given only for objects that
    are there.

    Raises:
        NotFound: the object is not there.
    """
    path = store.local_path(key)
    if path is not None:
        return await _send_file(request, path, key, headers)
    if presence is not None:
        url = await store.presigned_get(key, REDIRECT_SECONDS) if request.method == "GET" else None
        if (url is not None or request.method == "HEAD") and not await presence.is_there(key):
            raise NotFound("object", key)
        if url is not None:
            metrics.BYTES_OUT.inc(size)
            return web.Response(status=307, headers={**headers, "Location": url})
    return await _stream(request, store, key, size, headers)


def matches(request: web.Request, digest: str) -> bool:
    """Whether the client has it already: If-None-Match names this digest as its ETag, or any (RFC 9110 §13.1.2)."""
    told = request.headers.get("If-None-Match", "")
    return told.strip() == "*" or f'"{digest}"' in told


async def _stream(
    request: web.Request, store: ObjectStore, key: str, size: int, headers: dict[str, str]
) -> web.StreamResponse:
    asked = _asked(request, size, headers)
    if asked is None:
        return _nothing_there(size)
    response, start, end = asked
    if request.method == "HEAD":
        await response.prepare(request)
        return response
    body = store.get(key, start, end)
    first = await anext(body, b"")  # a missing object is told before the head of the answer is sent
    await response.prepare(request)
    with _breaking_off(request, key):
        if first:
            await response.write(first)
        async for piece in body:
            await response.write(piece)
        await response.write_eof()
        metrics.BYTES_OUT.inc(end - start)
    return response


async def _send_file(request: web.Request, path: Path, key: str, headers: dict[str, str]) -> web.StreamResponse:
    try:
        with disk_errors():
            fd, size = await asyncio.to_thread(_open, path)
    except FileNotFoundError:
        raise NotFound("object", key) from None
    try:
        asked = _asked(request, size, headers)
        if asked is None:
            return _nothing_there(size)
        response, start, end = asked
        if request.method == "HEAD":
            await response.prepare(request)
            return response
        if end - start <= _SMALL:
            with disk_errors():
                body = os.pread(fd, end - start, start)
            response = web.Response(status=response.status, headers=response.headers, body=body)
        await response.prepare(request)
        with _breaking_off(request, key):
            if end - start > _SMALL:
                await send_file(await _flushed(request), fd, start, end)
            await response.write_eof()
            metrics.BYTES_OUT.inc(end - start)
        return response
    finally:
        os.close(fd)


def _open(path: Path) -> tuple[int, int]:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except NotADirectoryError as error:
        raise FileNotFoundError(path) from error
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        os.close(fd)
        raise FileNotFoundError(path)
    return fd, found.st_size


async def _flushed(request: web.Request) -> asyncio.Transport:
    """The connection, once the head of the answer, and whatever was before it, has left for the socket."""
    transport = request.transport
    if transport is None:
        raise ConnectionResetError("the client is gone")
    transport.set_write_buffer_limits(high=0)
    request.writer.send_headers()
    await request.writer.drain()
    transport.set_write_buffer_limits()
    return transport


@contextmanager
def _breaking_off(request: web.Request, key: str) -> Iterator[None]:
    """What fails behind the head of an answer can only be told by the end of the connection."""
    try:
        yield
    except (DomainError, OSError, EOFError) as error:
        log.warning("registry.pull_broke_off", object=key, error=repr(error))
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("the answer broke off") from error


def _asked(request: web.Request, size: int, headers: dict[str, str]) -> tuple[web.StreamResponse, int, int] | None:
    """The head of the answer and the bytes it is for; None where the range holds none."""
    partial = _wants_a_part(request, headers)
    try:
        start, end = _range(request, size) if partial else (0, size)
    except ValueError:
        return None
    response = web.StreamResponse(status=206 if partial else 200, headers=headers)
    response.headers["Accept-Ranges"] = "bytes"
    response.content_length = end - start
    if partial:
        response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return response, start, end


def _wants_a_part(request: web.Request, headers: Mapping[str, str]) -> bool:
    """Whether the request has a Range header that counts: one range of bytes, of the version that is here.

    Units that are not known have to be passed over, several ranges may be (RFC 9110 §14.2); so has the header whose
    If-Range names another version (§13.1.5). Parts of blobs by several ranges are of no use to anybody.
    """
    told = request.headers.get(hdrs.RANGE, "")
    condition = request.headers.get(hdrs.IF_RANGE, "").strip()
    one_of_bytes = told.lower().startswith("bytes=") and "," not in told
    return one_of_bytes and condition in ("", headers.get("ETag", ""))


def _nothing_there(size: int) -> web.Response:
    return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})


def _range(request: web.Request, size: int) -> tuple[int, int]:
    wanted = request.http_range
    start, end = wanted.start, wanted.stop
    if start is not None and start < 0:
        return max(0, size + start), size
    if start is None or start >= size:
        raise ValueError("nothing lies there")
    return start, min(size, size if end is None else end)
