"""JSON answers."""

from typing import Any

import orjson
from aiohttp import web


def json_response(content: Any, *, status: int = 200, media_type: str = "application/json") -> web.Response:
    """An answer with this content, in the bytes of which the length is told."""
    return web.Response(body=orjson.dumps(content), status=status, content_type=media_type)
