"""/v2/<name>/blobs/<digest>."""

from aiohttp import web
from cloudly_kit.errors import NotFound

from cloudly_registry.documents import Link
from cloudly_registry.errors import BlobUnknown, NameUnknown, Unsupported
from cloudly_registry.http import copies
from cloudly_registry.http.access import authorised, repository
from cloudly_registry.http.routes import Call
from cloudly_registry.http.sending import matches, send
from cloudly_registry.references import checked_digest
from cloudly_registry.tokens import Access

_RECENT_SECONDS = 1.0


async def get(call: Call) -> web.StreamResponse:
    """end-2: GET and HEAD, whole or by ranges."""
    authorised(call.request, call.parts, repository(call.name, "pull"))
    digest = checked_digest(call.reference)
    source = await call.parts.sources.of(call.name)
    if source is not None and not await copies.is_here(call, digest):
        answer = await copies.blob(call, source, digest, _headers(digest))
        if answer is not None:
            return answer
    link = await _link(call, digest)
    try:
        return await _send(call, link)
    except NotFound:
        return await _send(call, await call.parts.blobs.moved(link))


async def delete(call: Call, access: Access) -> web.Response:
    """end-10: take a blob out of the repository."""
    if not call.parts.deletes:
        raise Unsupported("deleting is switched off")
    digest = checked_digest(call.reference)
    image_id = await call.parts.images.id_of(call.name)
    if not image_id:
        raise NameUnknown(call.name)
    await call.parts.blobs.delete(image_id, digest, access.name)
    return web.Response(status=202)


async def _link(call: Call, digest: str) -> Link:
    image_id = await call.parts.images.id_of(call.name)
    if not image_id:
        raise NameUnknown(call.name)
    try:
        return await call.parts.blobs.get(image_id, digest)
    except BlobUnknown:
        # The repository may have been deleted and made again at another replica. Who pushes asks for hundreds of blobs
        # that are not there, by HEAD, and would only push one in vain.
        again = await call.parts.images.id_of(call.name, _RECENT_SECONDS if call.request.method == "HEAD" else 0)
        if again in ("", image_id):
            raise
        return await call.parts.blobs.get(again, digest)


async def _send(call: Call, link: Link) -> web.StreamResponse:
    headers = _headers(link.digest)
    if matches(call.request, link.digest):
        return web.Response(status=304, headers=headers)
    return await send(call.request, call.parts.objects, link.key, link.size, headers, call.parts.blobs.presence)


def _headers(digest: str) -> dict[str, str]:
    return {
        "ETag": f'"{digest}"',
        "Docker-Content-Digest": digest,
        "Content-Type": "application/octet-stream",
        "Cache-Control": "max-age=31536000",
    }
