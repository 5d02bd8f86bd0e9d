"""The aiohttp server: routes, limits, and an orderly end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from aiohttp import web

from cloudly_registry.http import blobs, listings, manifests, token, uploads
from cloudly_registry.http.access import authorised
from cloudly_registry.http.auditing import Audited
from cloudly_registry.http.basic import admit
from cloudly_registry.http.body import no_expectation
from cloudly_registry.http.errors import errors_as_oci
from cloudly_registry.http.objects import serve_objects
from cloudly_registry.http.parts import Parts
from cloudly_registry.http.routes import Call, Route, dispatcher

log = structlog.get_logger()

_READ_BUFFER = 1 << 20
"""aiohttp's default of 64 KiB costs a third of the push rate (measured)."""
_GRACE_SECONDS = 5.0


async def check(call: Call) -> web.Response:
    """end-1: whether this is a registry, and whether the caller is logged in."""
    authorised(call.request, call.parts)
    return web.Response(text="{}", content_type="application/json")


ROUTES = (
    Route.of("/v2/?", admit, GET=check, HEAD=check),
    Route.of("/v2/token", GET=token.get_token, POST=token.post_token),
    Route.of("/v2/_catalog", admit, GET=listings.catalog),
    Route.of("/v2/<name>/blobs/uploads/?", admit, POST=uploads.start),
    Route.of(
        "/v2/<name>/blobs/uploads/<reference>",
        admit,
        GET=uploads.status,
        PATCH=uploads.append,
        PUT=uploads.finish,
        DELETE=uploads.cancel,
    ),
    Route.of(
        "/v2/<name>/blobs/<reference>",
        admit,
        GET=blobs.get,
        HEAD=blobs.get,
        DELETE=Audited("DeleteBlob", "blob", ("delete",), blobs.delete),
    ),
    Route.of(
        "/v2/<name>/manifests/<reference>",
        admit,
        GET=manifests.get,
        HEAD=manifests.get,
        PUT=Audited("PutManifest", "manifest", ("pull", "push"), manifests.put),
        DELETE=Audited("DeleteManifest", "manifest", ("delete",), manifests.delete),
    ),
    Route.of("/v2/<name>/tags/list", admit, GET=listings.tags),
    Route.of("/v2/<name>/referrers/<reference>", admit, GET=listings.referrers),
)


def application(parts: Parts) -> web.Application:
    """The application, without a socket."""
    app = web.Application(middlewares=[errors_as_oci], client_max_size=0)
    dispatch = dispatcher(ROUTES, parts)
    for path in ("/v2", "/v2/{rest:.*}"):
        app.router.add_route("*", path, dispatch, expect_handler=no_expectation)
    app.router.add_get("/objects/{key:.+}", serve_objects(parts.objects))
    app.on_response_prepare.append(_version)
    return app


@asynccontextmanager
async def serving(parts: Parts, listen: str) -> AsyncIterator[web.AppRunner]:
    """Serve on `host:port` until the end of the block; then requests in flight have some seconds to end."""
    host, _, port = listen.rpartition(":")
    runner = web.AppRunner(
        application(parts),
        access_log=None,
        read_bufsize=_READ_BUFFER,
        auto_decompress=False,  # what a client compresses is what it means
        keepalive_timeout=75,
        max_line_size=16_384,
        max_field_size=32_768,
        shutdown_timeout=_GRACE_SECONDS,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, host.strip("[]"), int(port), backlog=1024).start()
        log.info("registry.http_started", listen=listen)
        yield runner
    finally:
        await runner.cleanup()


async def _version(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Docker-Distribution-Api-Version"] = "registry/2.0"
    response.headers.pop("Server", None)
