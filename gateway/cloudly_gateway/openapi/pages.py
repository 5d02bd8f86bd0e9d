"""The page at /api/docs and the two files that it needs."""

import asyncio
from pathlib import Path

from cloudly_kit.errors import NotFound
from starlette.requests import Request
from starlette.responses import Response

_STATIC = Path(__file__).parent / "static"
_TYPES = {"docs.css": "text/css", "docs.js": "text/javascript"}


async def docs_page(request: Request) -> Response:
    """The page; its script reads /api/openapi.json."""
    del request
    return await _file("docs.html", "text/html")


async def docs_asset(request: Request) -> Response:
    """The page's script or style.

    Raises:
        NotFound: it has no other files.
    """
    name = request.path_params["name"]
    if name not in _TYPES:
        raise NotFound("file", name)
    return await _file(name, _TYPES[name])


async def _file(name: str, media_type: str) -> Response:
    content = await asyncio.to_thread((_STATIC / name).read_bytes)
    return Response(content, headers={"cache-control": "no-cache"}, media_type=media_type)
