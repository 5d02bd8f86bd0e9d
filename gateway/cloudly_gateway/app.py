"""The application: fixed paths, then the contract's routes, then the dashboard; the layers around them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from cloudly_kit import contract
from cloudly_kit.errors import NotFound, Unimplemented
from cloudly_kit.identity import TokenVerifier
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from cloudly_gateway import oidc, openapi
from cloudly_gateway.config import Settings
from cloudly_gateway.dashboard import Dashboard
from cloudly_gateway.health import Check, Metrics, Readiness, healthz
from cloudly_gateway.middleware.api_tokens import ApiTokenLogins
from cloudly_gateway.middleware.context import RequestContext, request_id_of
from cloudly_gateway.middleware.limits import BodyLimit
from cloudly_gateway.middleware.observe import Observe, name_route
from cloudly_gateway.middleware.refusals import Refusals
from cloudly_gateway.middleware.security import SecurityHeaders
from cloudly_gateway.problems import HttpProblem, problem_page, problem_response
from cloudly_gateway.rest.handler import Channels, Rest
from cloudly_gateway.rest.routes import RouteTable
from cloudly_gateway.typedrequest import TypedRequest

Endpoint = Callable[[Request], Awaitable[Response]]
_GZIP_FROM_BYTES = 1024


def build(
    settings: Settings,
    *,
    channels: Channels,
    verifier: TokenVerifier,
    checks: Mapping[str, Check],
    stopping: asyncio.Event,
) -> ASGIApp:
    """The gateway as one ASGI application."""
    table = RouteTable(contract.methods().values())
    rest = Rest(table, channels, stopping)
    typed = TypedRequest(channels, settings.public_origin, stopping)
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.add_exception_handler(HTTPException, _http_exception)
    fixed: dict[str, Endpoint] = {
        "/healthz": healthz,
        "/readyz": Readiness(checks),
        "/metrics": Metrics(verifier),
        "/problems/{reason}": problem_page,
        oidc.PATH: oidc.OidcCallback(channels),
        "/api/openapi.json": openapi.Document(settings.public_origin),
        "/api/docs": openapi.docs_page,
        "/api/docs/{name}": openapi.docs_asset,
    }
    for path, endpoint in fixed.items():
        app.router.add_route(path, _named(path, endpoint), methods=["GET"])
    app.router.add_route("/typedrequest", _named("/typedrequest", typed.answer), methods=["POST"])
    app.router.add_route("/typedrequest", typed.online, methods=["HEAD"])
    app.router.default = _Elsewhere(rest, Dashboard(settings.dashboard), typed)
    # The last one added is the outermost.
    app.add_middleware(BodyLimit, unlimited=rest.takes_octets)
    app.add_middleware(ApiTokenLogins, channels=channels, verifier=verifier)
    app.add_middleware(Refusals)
    app.add_middleware(_Gzip, unless=rest.takes_octets)
    app.add_middleware(SecurityHeaders, https=settings.ssl_mode != "none")
    app.add_middleware(Observe)
    app.add_middleware(RequestContext, trusted=settings.proxies)
    return app


class _Gzip(GZipMiddleware):
    """Compresses answers, but not those that are passed on as they come: layers in an archive are compressed already."""

    def __init__(self, app: ASGIApp, unless: Callable[[Scope], bool]) -> None:
        super().__init__(app, minimum_size=_GZIP_FROM_BYTES, compresslevel=5)
        self._unless = unless

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._unless(scope):
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


class _Elsewhere:
    """What no fixed path takes: WebSockets, the contract's routes, the dashboard."""

    def __init__(self, rest: Rest, dashboard: Dashboard, typed: TypedRequest) -> None:
        self._rest = rest
        self._dashboard = dashboard
        self._typed = typed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._typed.socket(scope, receive, send)
        elif self._rest.match(scope) is not None:
            await self._rest(scope, receive, send)
        else:
            await self._dashboard(scope, receive, send)


def _named(route: str, endpoint: Endpoint) -> Endpoint:
    # Starlette takes functions only as endpoints, and this one knows under which name to count the request.
    async def answer(request: Request) -> Response:
        name_route(request.scope, route)
        return await endpoint(request)

    return answer


async def _http_exception(request: Request, raised: Exception) -> Response:
    # Starlette's own refusals: a fixed path with another verb.
    status = getattr(raised, "status_code", 500)
    headers: Mapping[str, str] = getattr(raised, "headers", None) or {}
    if status == 405:
        refused = HttpProblem(Unimplemented(f"{request.method} is not possible here"), 405, headers)
        return problem_response(refused, request_id_of(request.scope))
    return problem_response(NotFound("path", request.url.path), request_id_of(request.scope))
