"""The dashboard's built files: hashed assets for ever, index.html fresh each time, and for every page of the single-page
application the same index.html.
"""

import asyncio
import gzip
import mimetypes
import os
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path

from cloudly_kit.errors import NotFound, Unimplemented
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from cloudly_gateway.middleware.observe import name_route
from cloudly_gateway.problems import HttpProblem

NOT_PAGES = ("/api", "/baseos", "/corebuild", "/.well-known", "/problems", "/v2", "/objects", "/typedrequest")
"""Beneath these an unknown path is an error, not a page of the dashboard."""
MISSING = "The dashboard is not built. Run `make web` in Cloudly's source tree, or set CLOUDLY_WEB_DIR.\n"
_FILES = ("/assets/", "/icons/")
"""Where the files of a build lie that are not at its root."""
IMMUTABLE = "public, max-age=31536000, immutable"
NO_CACHE = "no-cache"
_COMPRESSIBLE = ("text/", "application/javascript", "application/json", "image/svg+xml", "application/manifest+json")
_MAX_KEPT_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class _File:
    content: bytes
    packed: bytes
    """Compressed; empty where that does not pay."""
    media_type: str
    etag: str
    modified: str


class Dashboard:
    """Serves a directory; files are read once and kept, compressed too."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory.absolute()
        self._kept: dict[Path, tuple[tuple[int, int], _File]] = {}
        self._kept_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Raises:
            NotFound: there is no such file, and it cannot be a page.
        """
        path: str = scope["path"]
        is_page = not any(path == root or path.startswith(f"{root}/") for root in NOT_PAGES)
        if scope["method"] not in {"GET", "HEAD"}:
            if not is_page:
                raise NotFound("path", path)
            refused = Unimplemented(f"{scope['method']} is not possible here")
            raise HttpProblem(refused, 405, {"allow": "GET, HEAD"})
        if not is_page:
            raise NotFound("path", path)
        name_route(scope, "dashboard")
        response = await self._respond(path, Headers(scope=scope))
        await response(scope, receive, send)

    async def _respond(self, path: str, headers: Headers) -> Response:
        file = await asyncio.to_thread(self._read, path.lstrip("/"))
        cache = IMMUTABLE if path.startswith("/assets/") else NO_CACHE
        if file is None:
            # What looks like a file and is none is no page either: an old page asking for an asset of an old build.
            # Pages may end in what looks like a file's name: the tag of an image is `v2.1`.
            if path.startswith(_FILES) or (path.count("/") == 1 and "." in path):
                raise NotFound("file", path)
            file, cache = await asyncio.to_thread(self._read, "index.html"), NO_CACHE
        if file is None:
            return PlainTextResponse(MISSING, 503, {"retry-after": "10", "cache-control": "no-store"})
        sent = {
            "cache-control": cache,
            "etag": file.etag,
            "last-modified": file.modified,
            "vary": "accept-encoding",
        }
        if file.etag in headers.get("if-none-match", ""):
            return Response(status_code=304, headers=sent)
        if file.packed and "gzip" in headers.get("accept-encoding", ""):
            return Response(file.packed, 200, {**sent, "content-encoding": "gzip"}, file.media_type)
        return Response(file.content, 200, sent, file.media_type)

    def _read(self, name: str) -> _File | None:
        # Symbolic links and `..` may not lead out of the directory.
        if "\x00" in name or not name:
            return None
        path = Path(os.path.realpath(self._directory / name))
        if not path.is_relative_to(os.path.realpath(self._directory)) or not path.is_file():
            return None
        facts = path.stat()
        version = (facts.st_mtime_ns, facts.st_size)
        kept = self._kept.get(path)
        if kept is not None and kept[0] == version:
            return kept[1]
        file = _load(path, facts)
        if self._kept_bytes + len(file.content) + len(file.packed) <= _MAX_KEPT_BYTES:
            self._kept[path] = (version, file)
            self._kept_bytes = sum(len(f.content) + len(f.packed) for _, f in list(self._kept.values()))
        return file


def _load(path: Path, facts: os.stat_result) -> _File:
    content = path.read_bytes()
    media_type = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    packed = gzip.compress(content, 6, mtime=0) if media_type.startswith(_COMPRESSIBLE) and len(content) > 1024 else b""
    return _File(
        content=content,
        packed=packed if len(packed) < len(content) else b"",
        media_type=media_type,
        etag=f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"',
        modified=formatdate(facts.st_mtime, usegmt=True),
    )


# Not left to the machine's own tables: a wrong type and `nosniff` together stop a page.
_TYPES: Mapping[str, str] = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
