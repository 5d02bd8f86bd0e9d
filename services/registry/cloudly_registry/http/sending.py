"""Sending an object: as a file where the store has one, by redirect where clients can reach the store, else as a stream."""

from aiohttp import web
from cloudly_kit.errors import NotFound
from cloudly_kit.objects import ObjectStore

from cloudly_registry.http import metrics

REDIRECT_SECONDS = 20 * 60
_FILE_CHUNK = 256 << 10


async def send(
    request: web.Request, store: ObjectStore, key: str, size: int, headers: dict[str, str], *, redirect: bool = True
) -> web.StreamResponse:
    """Answer with an object, or the part that a Range header asks for (RFC 9110 §14).

    Raises:
        NotFound: the object is not there.
    """
    path = store.local_path(key)
    if path is not None:
        if not path.is_file():
            raise NotFound("object", key)
        if request.method == "GET":
            metrics.BYTES_OUT.inc(size)
        return web.FileResponse(path, chunk_size=_FILE_CHUNK, headers=headers)
    if redirect and request.method == "GET":
        url = await store.presigned_get(key, REDIRECT_SECONDS)
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
    try:
        start, end = _range(request, size)
    except ValueError:
        return web.Response(status=416, headers={"Content-Range": f"bytes */{size}"})
    partial = (start, end) != (0, size) or "Range" in request.headers
    response = web.StreamResponse(status=206 if partial else 200, headers=headers)
    response.headers["Accept-Ranges"] = "bytes"
    response.content_length = end - start
    if partial:
        response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    if request.method == "HEAD":
        await response.prepare(request)
        return response
    body = store.get(key, start, end)
    first = await anext(body, b"")  # a missing object is told before the head of the answer is sent
    await response.prepare(request)
    if first:
        await response.write(first)
    async for piece in body:
        await response.write(piece)
    await response.write_eof()
    metrics.BYTES_OUT.inc(end - start)
    return response


def _range(request: web.Request, size: int) -> tuple[int, int]:
    wanted = request.http_range
    start, end = wanted.start, wanted.stop
    if start is None and end is None:
        return 0, size
    if start is not None and start < 0:
        return max(0, size + start), size
    if start is None or start >= size:
        raise ValueError("nothing lies there")
    return start, min(size, size if end is None else end)
