"""/v2/token: a Basic login for a short token with what the login may do (Docker token authentication)."""

import ipaddress
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from cloudly_kit.errors import CredentialsInvalid, SecondFactorMissing, SecondFactorNeeded, TokenExpired, TokenRevoked

from cloudly_registry.errors import Unauthorized, Unsupported
from cloudly_registry.http.body import whole
from cloudly_registry.http.json import json_response
from cloudly_registry.http.routes import Call
from cloudly_registry.peers import basic_credentials
from cloudly_registry.tokens import ANONYMOUS, LIFETIME_SECONDS, parse_scopes

_BASIC = 'Basic realm="Cloudly registry", charset="UTF-8"'
_FORM_BYTES = 64 << 10


async def get_token(call: Call) -> web.Response:
    """GET: the login is in the Authorization header, the scopes in the query; without a login, pulls of what is public."""
    header = call.request.headers.get("Authorization", "")
    told = call.request.query.getall("scope", [])
    if not header:
        public = await _public(call, told)
        if not public:
            raise Unauthorized("authentication required", challenge=_BASIC)
        return _token(call.parts.tokens.issue(ANONYMOUS, parse_scopes(told), public))
    username, password = basic_credentials(header)
    return await _answer(call, username, password, told)


async def post_token(call: Call) -> web.Response:
    """POST: the OAuth 2 form (RFC 6749 §4.3), as containerd and Docker send it."""
    from urllib.parse import parse_qs

    body = await whole(call.request, _FORM_BYTES, call.parts.idle_seconds)
    form = parse_qs(body.decode("utf-8", "replace"))

    def field(name: str) -> str:
        return form.get(name, [""])[0]

    if field("grant_type") != "password":
        raise Unsupported("only the password grant is known", status=400)
    return await _answer(call, field("username"), field("password"), form.get("scope", []))


async def _answer(call: Call, username: str, password: str, scopes: list[str]) -> web.Response:
    try:
        identity = await call.parts.logins.identify(username, password, remote_address(call.request))
    except (CredentialsInvalid, TokenExpired, TokenRevoked, SecondFactorMissing, SecondFactorNeeded) as error:
        raise Unauthorized(error.message, challenge=_BASIC) from error
    return _token(call.parts.tokens.issue(identity, parse_scopes(scopes), await _public(call, scopes)))


async def _public(call: Call, scopes: list[str]) -> set[str]:
    """Which of the repositories that are asked for are open to anyone."""
    names = {scope.name for scope in parse_scopes(scopes) if scope.type == "repository"}
    return {name for name in names if await call.parts.images.is_public(name)}


def _token(token: str) -> web.Response:
    issued = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    answer: dict[str, Any] = {
        "token": token,
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": LIFETIME_SECONDS,
        "issued_at": issued,
    }
    response = json_response(answer)
    response.headers["Cache-Control"] = "no-store"
    return response


def remote_address(request: web.Request) -> str:
    """The client's address: what a proxy on this machine or network says, else the peer's own."""
    peer = request.remote or ""
    try:
        trusted = ipaddress.ip_address(peer).is_private
    except ValueError:
        trusted = True  # a unix socket
    # The last entry is the one that our own proxy wrote; those before it are the client's claims.
    told = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip() if trusted else ""
    return told[:64] or peer
