"""Lists: tags of a repository, repositories, and what refers to a manifest, in pages with Link (RFC 8288)."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from cloudly_registry.documents import ManifestRow
from cloudly_registry.errors import NameUnknown, OciError
from cloudly_registry.http.access import authorised, repository
from cloudly_registry.http.json import json_response
from cloudly_registry.http.routes import Call
from cloudly_registry.manifest_format import OCI_INDEX
from cloudly_registry.references import checked_digest
from cloudly_registry.tokens import Scope

_PAGE = 1000
_REFERRERS_PAGE = 200


class PaginationInvalid(OciError):
    """`n` is no number."""

    code, status = "PAGINATION_NUMBER_INVALID", 400


async def tags(call: Call) -> web.Response:
    """end-8: tags in ASCII order."""
    authorised(call.request, call.parts, repository(call.name, "pull"))
    image_id = await call.parts.images.id_of(call.name)
    if not image_id:
        raise NameUnknown(call.name)
    wanted, last = _paging(call.request)
    found = await call.parts.manifests.tags(image_id, last, wanted + 1) if wanted else []
    response = json_response({"name": call.name, "tags": found[:wanted]})
    _link(response, call.request.path, found, wanted)
    return response


async def catalog(call: Call) -> web.Response:
    """Repositories in ASCII order (Docker Registry HTTP API V2)."""
    authorised(call.request, call.parts, Scope("registry", "catalog", ("*",)))
    wanted, last = _paging(call.request)
    found = await call.parts.store.repositories_after(last, wanted + 1) if wanted else []
    response = json_response({"repositories": found[:wanted]})
    _link(response, call.request.path, found, wanted)
    return response


async def referrers(call: Call) -> web.Response:
    """end-12: manifests whose subject is a digest; an empty index where there are none, whatever the digest."""
    authorised(call.request, call.parts, repository(call.name, "pull"))
    digest = checked_digest(call.reference)
    image_id = await call.parts.images.id_of(call.name)
    artifact_type = call.request.query.get("artifactType", "")
    last = call.request.query.get("last", "")
    rows = await call.parts.manifests.referrers(image_id, digest, last, _REFERRERS_PAGE + 1) if image_id else []
    more, rows = len(rows) > _REFERRERS_PAGE, rows[:_REFERRERS_PAGE]
    shown = [_descriptor(row) for row in rows if artifact_type in ("", row.artifact_type)]
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": shown}
    response = json_response(index, media_type=OCI_INDEX)
    if artifact_type:
        response.headers["OCI-Filters-Applied"] = "artifactType"
    if more:
        query = {"last": rows[-1].digest} | ({"artifactType": artifact_type} if artifact_type else {})
        response.headers["Link"] = f'<{call.request.path}?{urlencode(query)}>; rel="next"'
    return response


def _descriptor(row: ManifestRow) -> dict[str, Any]:
    told: dict[str, Any] = {"mediaType": row.media_type, "digest": row.digest, "size": row.size}
    if row.artifact_type:
        told["artifactType"] = row.artifact_type
    if row.annotations:
        told["annotations"] = row.annotations
    return told


def _paging(request: web.Request) -> tuple[int, str]:
    text = request.query.get("n", "")
    if text and not (text.isascii() and text.isdigit()):
        raise PaginationInvalid("n must be a number", {"n": text[:50]})
    return min(int(text[:9]), _PAGE) if text else _PAGE, request.query.get("last", "")


def _link(response: web.Response, path: str, found: Sequence[str], wanted: int) -> None:
    if wanted and len(found) > wanted:
        query = urlencode({"n": wanted, "last": found[wanted - 1]})
        response.headers["Link"] = f'<{path}?{query}>; rel="next"'
