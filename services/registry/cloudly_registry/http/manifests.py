"""/v2/<name>/manifests/<tag or digest>."""

from urllib.parse import quote

from aiohttp import web

from cloudly_registry.errors import (
    ManifestInvalid,
    ManifestTooLarge,
    ManifestUnknown,
    NameUnknown,
    SizeInvalid,
    Unsupported,
)
from cloudly_registry.http import copies
from cloudly_registry.http.access import authorised, repository
from cloudly_registry.http.body import whole
from cloudly_registry.http.routes import Call
from cloudly_registry.http.sending import matches
from cloudly_registry.manifest_format import MAX_MANIFEST_BYTES
from cloudly_registry.manifests import Stored
from cloudly_registry.references import checked_reference, checked_tag, is_digest
from cloudly_registry.tokens import Access

_TAGS_AT_ONCE = 100


async def get(call: Call) -> web.Response:
    """end-3: GET and HEAD. What was pushed is answered as it was pushed, whatever the client would rather have."""
    authorised(call.request, call.parts, repository(call.name, "pull"))
    reference = checked_reference(call.reference)
    source = await call.parts.sources.of(call.name)
    if source is None:
        return _answer(call, await _stored(call, reference))
    stored, stale = await call.parts.copies.manifest(source, call.name, reference)
    response = _answer(call, stored)
    if stale:
        response.headers["Warning"] = copies.STALE
    return response


async def _stored(call: Call, reference: str) -> Stored:
    image_id = await call.parts.images.id_of(call.name)
    if not image_id:
        raise NameUnknown(call.name)
    try:
        return await call.parts.manifests.get(image_id, reference)
    except ManifestUnknown:
        # The repository may have been deleted and made again at another replica.
        again = await call.parts.images.id_of(call.name, 0)
        if not again:
            raise NameUnknown(call.name) from None
        if again == image_id:
            raise
        return await call.parts.manifests.get(again, reference)


def _answer(call: Call, stored: Stored) -> web.Response:
    headers = {"Docker-Content-Digest": stored.digest, "ETag": f'"{stored.digest}"', "Content-Type": stored.media_type}
    if matches(call.request, stored.digest):
        return web.Response(status=304, headers=headers)
    return web.Response(body=stored.body, headers=headers)


async def put(call: Call, access: Access) -> web.Response:
    """end-7: push a manifest."""
    reference = checked_reference(call.reference)
    tags = list(dict.fromkeys(checked_tag(tag) for tag in call.request.query.getall("tag", [])))
    if len(tags) > _TAGS_AT_ONCE:
        raise ManifestInvalid(f"at most {_TAGS_AT_ONCE} tags at once", status=414)
    if tags and not is_digest(reference):
        raise ManifestInvalid("tags beside a tag: push by digest with ?tag=")
    try:
        body = await whole(call.request, MAX_MANIFEST_BYTES, call.parts.idle_seconds)
    except SizeInvalid as error:
        raise ManifestTooLarge(error.message, error.detail) from error
    await call.parts.sources.refuse_push(call.name)
    image_id = await call.parts.images.id_for_push(call.name)
    media_type = call.request.headers.get("Content-Type", "")
    try:
        row = await call.parts.manifests.put(image_id, reference, media_type, body, access.name, tags)
    except NameUnknown:
        call.parts.images.forget(call.name)
        raise NameUnknown(call.name) from None
    headers = {
        "Location": f"/v2/{call.name}/manifests/{quote(row.digest, safe=':')}",
        "Docker-Content-Digest": row.digest,
    }
    if row.subject:
        headers["OCI-Subject"] = row.subject
    response = web.Response(status=201, headers=headers)
    if tags:
        response.headers["OCI-Tag"] = ", ".join(tags)
    return response


async def delete(call: Call, access: Access) -> web.Response:
    """end-9: delete a tag, or a manifest with its tags."""
    if not call.parts.deletes:
        raise Unsupported("deleting is switched off")
    reference = checked_reference(call.reference)
    image_id = await call.parts.images.id_of(call.name)
    if not image_id:
        raise NameUnknown(call.name)
    await call.parts.manifests.delete(image_id, reference, access.name)
    return web.Response(status=202)
