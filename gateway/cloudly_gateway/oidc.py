"""Where identity providers send browsers back to at the end of a login: a redirect onwards, or a page that says why not."""

import html

from cloudly.auth.v1 import sso_pb2, sso_pb2_grpc
from cloudly_kit.errors import DomainError
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from cloudly_gateway.middleware.context import request_id_of
from cloudly_gateway.rest.answers import NO_STORE
from cloudly_gateway.rest.handler import Channels

PATH = "/auth/oidc/callback"


class OidcCallback:
    """Hands what the browser brings to auth (RFC 6749 §4.1.2), which knows what it is worth."""

    def __init__(self, channels: Channels) -> None:
        self._sso = sso_pb2_grpc.SsoServiceStub(channels("auth"))

    async def __call__(self, request: Request) -> Response:
        """Where the browser goes on."""
        brought = request.query_params
        try:
            answer = await self._sso.FinishOidcLogin(
                sso_pb2.FinishOidcLoginRequest(
                    code=brought.get("code", ""),
                    state=brought.get("state", ""),
                    error=brought.get("error", ""),
                    issuer=brought.get("iss", ""),
                )
            )
        except DomainError as refusal:
            onward = refusal.metadata.get("redirect_url")
            if onward:
                # A program waits for the browser, and shows what became of it.
                return RedirectResponse(onward, 303, NO_STORE)
            return _page(refusal, request_id_of(request.scope))
        return RedirectResponse(answer.redirect_url, 303, NO_STORE)


def _page(refusal: DomainError, request_id: str) -> Response:
    message = html.escape(refusal.message[:1].upper() + refusal.message[1:])
    return HTMLResponse(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Not logged in · Cloudly</title>"
        f"<h1>You are not logged in</h1><p>{message}.</p>"
        '<p><a href="/login">Back to the login</a></p>'
        f"<p><small>Request id {html.escape(request_id)}</small></p></html>",
        refusal.info.http_status,
        NO_STORE,
    )
