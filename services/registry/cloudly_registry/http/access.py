"""Tokens in, challenges out: who may do what with which repository."""

from aiohttp import web

from cloudly_registry.errors import Denied, Unauthorized
from cloudly_registry.http.parts import Parts
from cloudly_registry.tokens import Access, Scope

ACCESS = web.RequestKey("access", Access)
"""What a request's Basic login may do."""


def authorised(request: web.Request, parts: Parts, *needed: Scope) -> Access:
    """The bearer of the request's token, or whose Basic login it has, if that grants what is needed.

    Raises:
        Unauthorized: no token, an invalid one, or one for something else; with a challenge (RFC 6750 §3).
        Denied: the bearer asked for this and may not do it.
    """
    access = bearer(request, parts, *needed)
    check(parts, access, *needed)
    return access


def bearer(request: web.Request, parts: Parts, *needed: Scope) -> Access:
    """Whose the request's token, or its Basic login, is.

    Raises:
        Unauthorized: no token, or an invalid one; with a challenge for what is needed.
    """
    access: Access | None = request.get(ACCESS)
    if access is not None:
        return access
    header = request.headers.get("Authorization", "")
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer":
        raise Unauthorized("authentication required", challenge=challenge(parts, needed))
    try:
        return parts.tokens.verify(token.strip())
    except Unauthorized as error:
        raise Unauthorized(error.message, challenge=challenge(parts, needed, "invalid_token")) from error


def check(parts: Parts, access: Access, *needed: Scope) -> None:
    """Whether a token grants what is needed.

    Raises:
        Unauthorized, Denied: as `authorised`.
    """
    for scope in needed:
        for action in scope.actions:
            if access.allows(scope.type, scope.name, action):
                continue
            if access.was_refused(scope.type, scope.name, action):
                raise Denied(f"you may not {action} here", {"name": scope.name, "action": action})
            raise Unauthorized(
                "the token is for something else", challenge=challenge(parts, needed, "insufficient_scope")
            )


def challenge(parts: Parts, needed: tuple[Scope, ...] = (), error: str = "") -> str:
    """The WWW-Authenticate header that leads a client to /v2/token."""
    told = [f'realm="{parts.public_origin}/v2/token"', f'service="{parts.registry_host}"']
    if needed:
        told.append(f'scope="{" ".join(str(scope) for scope in needed)}"')
    if error:
        told.append(f'error="{error}"')
    return "Bearer " + ",".join(told)


def repository(name: str, *actions: str) -> Scope:
    """The right to do something with a repository."""
    return Scope("repository", name, actions)
