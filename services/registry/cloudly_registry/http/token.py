"""/v2/token: a Basic login for a short token with what the login may do (Docker token authentication)."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from cloudly_registry.errors import Unauthorized, Unsupported
from cloudly_registry.http.basic import CHALLENGE, as_challenge
from cloudly_registry.http.body import whole
from cloudly_registry.http.json import json_response
from cloudly_registry.http.remote import remote_address
from cloudly_registry.http.routes import Call
from cloudly_registry.peers import basic_credentials
from cloudly_registry.tokens import ANONYMOUS, LIFETIME_SECONDS, parse_scopes

_FORM_BYTES = 64 << 10


async def get_token(call: Call) -> web.Response:
    """GET: the login is in the Authorization header, the scopes in the query; without a login, pulls of what is public."""
    header = call.request.headers.get("Authorization", "")
    told = call.request.query.getall("scope", [])
    if not header:
        public = await _public(call, told)
        if not public:
            raise Unauthorized("authentication required", challenge=CHALLENGE)
        return _token(call.parts.tokens.issue(ANONYMOUS, parse_scopes(told), public))
    username, password = basic_credentials(header)
    offline = call.request.query.get("offline_token", "") == "true"
    return await _answer(call, username, password, told, offline=offline)


async def post_token(call: Call) -> web.Response:
    """POST: the OAuth 2 form (RFC 6749 §4.3 and §6), as containerd and Docker send it."""
    body = await whole(call.request, _FORM_BYTES, call.parts.idle_seconds)
    form = parse_qs(body.decode("utf-8", "replace"))

    def field(name: str) -> str:
        return form.get(name, [""])[0]

    scopes = form.get("scope", [])
    match field("grant_type"):
        case "password":
            offline = field("access_type") == "offline"
            return await _answer(call, field("username"), field("password"), scopes, offline=offline)
        case "refresh_token":
            token = field("refresh_token")
            return await _answer(call, *call.parts.refresh_tokens.open(token), scopes, refreshed_by=token)
    raise Unsupported("the grants that are known are password and refresh_token", status=400)


async def _answer(
    call: Call, username: str, password: str, scopes: list[str], *, offline: bool = False, refreshed_by: str = ""
) -> web.Response:
    with as_challenge(CHALLENGE):
        identity = await call.parts.logins.identify(username, password, remote_address(call.request, call.parts))
    token = call.parts.tokens.issue(identity, parse_scopes(scopes), await _public(call, scopes))
    return _token(token, call.parts.refresh_tokens.issue(username, password) if offline else refreshed_by)


async def _public(call: Call, scopes: list[str]) -> set[str]:
    """Which of the repositories that are asked for are open to anyone."""
    names = {scope.name for scope in parse_scopes(scopes) if scope.type == "repository"}
    return {name for name in names if await call.parts.images.is_public(name)}


def _token(token: str, refresh_token: str = "") -> web.Response:
    issued = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    answer: dict[str, Any] = {
        "token": token,
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": LIFETIME_SECONDS,
        "issued_at": issued,
        **({"refresh_token": refresh_token} if refresh_token else {}),
    }
    response = json_response(answer)
    response.headers["Cache-Control"] = "no-store"
    return response
