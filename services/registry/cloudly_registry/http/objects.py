"""/objects/<key>: what signed URLs of a local object store lead to."""

from collections.abc import Awaitable, Callable

from aiohttp import web
from cloudly_kit.errors import InvalidArgument, NotFound
from cloudly_kit.objects import DirectoryStore, ObjectStore

from cloudly_registry.http.sending import send


def serve_objects(store: ObjectStore) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The handler for a store; stores that sign URLs of their own have nothing here."""

    async def get(request: web.Request) -> web.StreamResponse:
        if not isinstance(store, DirectoryStore):
            raise web.HTTPNotFound
        key = request.match_info["key"]
        query = request.query
        if not store.signer.allows(key, query.get("expires", ""), query.get("signature", "")):
            raise web.HTTPForbidden(text="the URL is not signed, or its time is over")
        try:
            found = await store.stat(key)
        except InvalidArgument as error:
            raise web.HTTPNotFound from error
        if found is None:
            raise web.HTTPNotFound
        headers = {"Content-Type": "application/octet-stream", "X-Content-Type-Options": "nosniff"}
        try:
            return await send(request, store, key, found.size, headers)
        except NotFound as error:
            raise web.HTTPNotFound from error

    return get
