"""Manifests and blobs of repositories that are copies of an external registry's."""

from aiohttp import web

from cloudly_registry.errors import BlobUnknown
from cloudly_registry.http import metrics
from cloudly_registry.http.routes import Call
from cloudly_registry.pull_through.sources import Source

STALE = '110 cloudly "Response is Stale"'
"""RFC 7234 §5.5.1: the source did not answer, so this may be out of date."""


async def blob(call: Call, source: Source, digest: str, headers: dict[str, str]) -> web.StreamResponse | None:
    """Answer with a blob while it is being fetched; None once it is here: then it is answered like any other."""
    if call.request.method == "HEAD":
        response = web.StreamResponse(headers={**headers, "Accept-Ranges": "bytes"})
        response.content_length = await call.parts.fetches.size(source, digest)
        await response.prepare(call.request)
        return response
    fetch = call.parts.fetches.join(source, call.name, digest)
    reader = fetch.reader()
    size = await fetch.size
    if not size or "Range" in call.request.headers:
        await fetch.stored
        return None
    streamed = web.StreamResponse(headers=headers)
    streamed.content_length = size
    await streamed.prepare(call.request)
    sent = 0
    if reader is not None:
        async for batch in reader.batches():
            for piece in batch:
                await streamed.write(piece)
                sent += len(piece)
    try:
        image_id = await fetch.stored
        if sent < size:
            link = await call.parts.blobs.get(image_id, digest)
            async for piece in call.parts.objects.get(link.key, sent, size):
                await streamed.write(piece)
    except Exception as error:
        # The head is sent: all that can still be said is that this is not the whole.
        if call.request.transport is not None:
            call.request.transport.abort()
        raise ConnectionError(f"the blob could not be fetched: {error}") from error
    await streamed.write_eof()
    metrics.BYTES_OUT.inc(size)
    return streamed


async def is_here(call: Call, digest: str) -> bool:
    """Whether the copy has the blob."""
    image_id = await call.parts.images.id_of(call.name)
    try:
        return bool(image_id) and bool(await call.parts.blobs.get(image_id, digest))
    except BlobUnknown:
        return False
