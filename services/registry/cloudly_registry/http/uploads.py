"""/v2/<name>/blobs/uploads/: pushing blobs, in one request or in several."""

import re
from urllib.parse import quote

from aiohttp import web

from cloudly_registry.errors import RangeInvalid, SizeInvalid, UploadInvalid
from cloudly_registry.http.access import authorised, repository
from cloudly_registry.http.body import content_length, pieces
from cloudly_registry.http.json import json_response
from cloudly_registry.http.routes import Call
from cloudly_registry.quotas import Allowance
from cloudly_registry.references import algorithm_of, checked_algorithm, checked_digest, checked_repository
from cloudly_registry.tokens import Access
from cloudly_registry.uploads import BlobUpload, Pieces

_RANGE = re.compile(r"(\d{1,18})-(\d{1,18})")


async def start(call: Call) -> web.Response:
    """end-4: begin an upload; end-4b: in this one request; end-4c: of another algorithm; end-11: mount."""
    access = authorised(call.request, call.parts, repository(call.name, "pull", "push"))
    query = call.request.query
    digest = checked_digest(query["digest"]) if "digest" in query else ""
    await call.parts.sources.refuse_push(call.name)
    image_id = await call.parts.images.id_for_push(call.name)
    if "mount" in query and await _mounted(call, access, image_id):
        return _created(call.name, query["mount"])
    algorithm = algorithm_of(digest) if digest else checked_algorithm(query.get("digest-algorithm", "sha256"))
    upload = await call.parts.uploads.start(image_id, algorithm)
    if digest:
        await call.parts.uploads.finish(upload, digest, None, *_body(call))
        return _created(call.name, digest)
    return _standing(call.name, upload, 0, 202)


async def append(call: Call) -> web.Response:
    """end-5: a chunk, or everything in one stream."""
    authorised(call.request, call.parts, repository(call.name, "pull", "push"))
    upload = await _upload(call)
    try:
        offset = await call.parts.uploads.append(upload, _start(call.request), *_body(call))
    except RangeInvalid as error:
        return _out_of_order(call, upload, error)
    return _standing(call.name, upload, offset, 202)


async def finish(call: Call) -> web.Response:
    """end-6: the last chunk, perhaps empty, and the digest of the whole."""
    authorised(call.request, call.parts, repository(call.name, "pull", "push"))
    digest = checked_digest(call.request.query.get("digest", ""))
    upload = await _upload(call)
    try:
        await call.parts.uploads.finish(upload, digest, _start(call.request), *_body(call))
    except RangeInvalid as error:
        return _out_of_order(call, upload, error)
    return _created(call.name, digest)


async def status(call: Call) -> web.Response:
    """end-13: where the upload stands."""
    authorised(call.request, call.parts, repository(call.name, "pull", "push"))
    upload = await _upload(call)
    return _standing(call.name, upload, await call.parts.uploads.offset(upload), 204)


async def cancel(call: Call) -> web.Response:
    """end-14: forget the upload."""
    authorised(call.request, call.parts, repository(call.name, "pull", "push"))
    upload = await _upload(call)
    await call.parts.uploads.cancel(upload)
    allowance = call.parts.images.allowance(call.name, None)
    if allowance is not None:
        allowance.forget(upload.id)
    return web.Response(status=204)


async def _upload(call: Call) -> BlobUpload:
    return call.parts.uploads.get(await call.parts.images.id_of(call.name), call.reference)


async def _mounted(call: Call, access: Access, image_id: str) -> bool:
    query = call.request.query
    digest = checked_digest(query["mount"])
    source = query.get("from", "")
    # Who may not read the source gets an ordinary upload, and does not learn whether the blob is there.
    if not source:
        return access.pulls_anywhere and await call.parts.blobs.mount_from_any(image_id, digest)
    checked_repository(source)
    if not access.allows("repository", source, "pull"):
        return False
    source_id = await call.parts.images.id_of(source)
    return bool(source_id) and await call.parts.blobs.mount(image_id, source_id, digest)


def _body(call: Call) -> tuple[Pieces, Allowance | None]:
    """What the request brings, and what of it may come in."""
    allowance = call.parts.images.allowance(call.name, content_length(call.request))
    return pieces(call.request, call.parts.idle_seconds), allowance


def _start(request: web.Request) -> int | None:
    """Where the chunk says it begins; None where it does not say (`Content-Range: <start>-<end>`, end inclusive)."""
    told = request.headers.get("Content-Range", "")
    if not told:
        return None
    match = _RANGE.fullmatch(told.removeprefix("bytes ").partition("/")[0].strip())
    if match is None:
        raise UploadInvalid("Content-Range must be <start>-<end>", {"contentRange": told[:100]})
    start, end = int(match[1]), int(match[2])
    length = content_length(request)
    if length is not None and end - start + 1 != length:
        raise SizeInvalid("Content-Range and Content-Length tell different lengths", {"contentRange": told[:100]})
    return start


def _standing(name: str, upload: BlobUpload, offset: int, status: int) -> web.Response:
    headers = {
        "Location": f"/v2/{name}/blobs/uploads/{upload.id}",
        "Docker-Upload-UUID": upload.id,
        # The last byte, inclusive; an upload without bytes says 0-0, as clients expect it.
        "Range": f"0-{max(0, offset - 1)}",
    }
    return web.Response(status=status, headers=headers)


def _out_of_order(call: Call, upload: BlobUpload, error: RangeInvalid) -> web.Response:
    response = _standing(call.name, upload, error.offset, error.status)
    entry = {"code": error.code, "message": error.message, "detail": error.detail}
    refused = json_response({"errors": [entry]}, status=error.status)
    refused.headers.extend(response.headers)
    refused.force_close()
    return refused


def _created(name: str, digest: str) -> web.Response:
    location = f"/v2/{name}/blobs/{quote(digest, safe=':')}"
    return web.Response(status=201, headers={"Location": location, "Docker-Content-Digest": digest})
