"""A path and a method under /v2 -> one handler. Repository names hold slashes, so aiohttp's own patterns do not fit."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from cloudly_registry.errors import NameInvalid, OciError, Unsupported
from cloudly_registry.http.parts import Parts
from cloudly_registry.references import checked_repository

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Call:
    """A request to one end point: the repository, and the digest, tag or upload id behind it."""

    request: web.Request
    parts: Parts
    name: str = ""
    reference: str = ""


EndPoint = Callable[[Call], Awaitable[web.StreamResponse]]
Admission = Callable[[web.Request, Parts, str], Awaitable[None]]


@dataclass(frozen=True)
class Route:
    """A pattern with the groups `name` and `reference`, both optional."""

    pattern: re.Pattern[str]
    methods: Mapping[str, EndPoint]
    admit: Admission | None
    """Looks at Basic logins; None where the end point does that itself."""

    @classmethod
    def of(cls, pattern: str, admit: Admission | None = None, **methods: EndPoint) -> "Route":
        """`<name>` and `<reference>` stand for the groups."""
        filled = pattern.replace("<name>", "(?P<name>.+)").replace("<reference>", "(?P<reference>[^/]+)")
        return cls(re.compile(filled), methods, admit)


def dispatcher(routes: Sequence[Route], parts: Parts) -> Handler:
    """The handler that finds the handler. The first route that matches counts."""

    async def dispatch(request: web.Request) -> web.StreamResponse:
        for route in routes:
            match = route.pattern.fullmatch(request.path)
            if match is None:
                continue
            end_point = route.methods.get(request.method)
            if end_point is None:
                raise Unsupported("the operation is unsupported", {"allowed": sorted(route.methods)})
            groups = match.groupdict()
            name = groups.get("name", "")
            if name:
                checked_repository(name)
            if route.admit is not None:
                await route.admit(request, parts, name)
            return await end_point(Call(request, parts, name, groups.get("reference", "")))
        if ".." in request.path or "%" in request.path:
            raise NameInvalid("invalid path")
        raise OciError("there is nothing here", status=404)

    return dispatch
