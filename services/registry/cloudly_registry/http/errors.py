"""Every failure as the answer that clients of /v2 know: `{"errors": [{code, message, detail}]}`."""

import structlog
from aiohttp import web
from cloudly_kit.errors import (
    Conflict,
    CredentialsInvalid,
    DomainError,
    Internal,
    RateLimited,
    TokenExpired,
    TokenRevoked,
    Unavailable,
)
from cloudly_kit.rpc_server import translate

from cloudly_registry.errors import OciError, ServiceUnavailable, TooManyRequests, Unauthorized
from cloudly_registry.http import metrics
from cloudly_registry.http.body import ClientGone, unread
from cloudly_registry.http.json import json_response
from cloudly_registry.http.routes import Handler

log = structlog.get_logger()


@web.middleware
async def errors_as_oci(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Run a handler; whatever it raises becomes an answer."""
    response: web.StreamResponse
    try:
        response = await handler(request)
    except OciError as error:
        response = _answer(request, error)
    except DomainError as error:
        response = _answer(request, _translated(error))
    except web.HTTPException as error:
        response = _answer(request, OciError(error.reason, status=error.status))
    except (ClientGone, ConnectionError) as error:
        log.info("registry.client_gone", method=request.method, path=request.path, reason=repr(error))
        response = web.Response(status=499)
        response.force_close()
    except Exception as error:  # noqa: BLE001 - `translate` logs it
        response = _answer(request, _translated(translate(error, f"{request.method} {request.path}")))
    metrics.REQUESTS.labels(request.method, str(response.status)).inc()
    return response


def _translated(error: DomainError) -> OciError:
    if isinstance(error, CredentialsInvalid | TokenExpired | TokenRevoked):
        return Unauthorized(error.message)
    if isinstance(error, RateLimited):
        return TooManyRequests(error.message, {"retryAfterSeconds": error.metadata["retry_after_seconds"]})
    if isinstance(error, Unavailable | Conflict):
        return ServiceUnavailable(error.message)
    if isinstance(error, Internal):
        return OciError("the registry failed; its log holds the rest")
    return OciError(error.message, status=error.info.http_status)


def _answer(request: web.Request, error: OciError) -> web.Response:
    entry = {"code": error.code, "message": error.message, "detail": error.detail}
    response = json_response({"errors": [entry]}, status=error.status)
    if error.status == 503:
        response.headers["Retry-After"] = "2"
    if isinstance(error, TooManyRequests) and error.detail:
        response.headers["Retry-After"] = str(error.detail["retryAfterSeconds"])
    if isinstance(error, Unauthorized) and error.challenge:
        response.headers["WWW-Authenticate"] = error.challenge
    if unread(request):
        # What the client goes on sending would be taken for its next request.
        response.force_close()
    return response
