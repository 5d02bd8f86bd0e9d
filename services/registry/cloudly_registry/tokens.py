"""Access tokens of the registry: short JWTs that say what their bearer may do with which repository.

Every replica holds the same service key, so each verifies what any of them signed. The form is the Docker registry's
("JSON Web Token" in the distribution project's token specification): claims `access: [{type, name, actions}]`.
"""

import secrets
import time
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
from cloudly_kit.access import allows
from cloudly_kit.identity import Identity
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from cloudly_registry.errors import Unauthorized

AUDIENCE = "registry-access"
LIFETIME_SECONDS = 300
_CLOCK_SKEW_SECONDS = 10
_REMEMBERED = 10_000
_LONGEST = 32_768
ANONYMOUS = Identity(id="anonymous", name="anonymous", type="human", roles=())
"""Who did not log in."""

_PERMISSIONS = {"pull": "registry.pull", "push": "registry.push", "delete": "registry.delete"}


@dataclass(frozen=True)
class Scope:
    """What a client asks for, or what it needs: `repository:<name>:<action>,<action>`."""

    type: str
    name: str
    actions: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.type}:{self.name}:{','.join(self.actions)}"


CATALOG = Scope("registry", "catalog", ("*",))
"""Listing repositories."""


def parse_scopes(told: Iterable[str]) -> list[Scope]:
    """Scopes out of query parameters, each perhaps with several; what is none is passed over, as the specification asks."""
    scopes = []
    for text in (word for parameter in told for word in parameter.split(" ") if word):
        type_, first, rest = text.partition(":")
        name, last, actions = rest.rpartition(":")
        if first and last and name:
            scopes.append(Scope(type_.partition("(")[0], name, tuple(a for a in actions.split(",") if a)))
    return scopes


@dataclass(frozen=True)
class Access:
    """A verified access token."""

    subject: str
    name: str
    """Who it is, for the record of a push."""
    granted: frozenset[tuple[str, str, str]] = field(default_factory=frozenset)
    """(type, name, action)"""
    refused: frozenset[tuple[str, str, str]] = field(default_factory=frozenset)
    """What was asked for and not granted: a new token would not help."""
    type: str = ""
    """human, machine or service."""
    roles: tuple[str, ...] = ()
    session_id: str = ""
    pulls_anywhere: bool = False
    """Whether no repository is closed to the bearer's pulls, whatever this token is for."""

    def allows(self, type: str, name: str, action: str) -> bool:
        """Whether the bearer may do this."""
        return (type, name, action) in self.granted

    def was_refused(self, type: str, name: str, action: str) -> bool:
        """Whether the bearer asked for this in vain."""
        return (type, name, action) in self.refused


class AccessTokens:
    """Signs and verifies."""

    def __init__(self, key_file: Path, issuer: str) -> None:
        key = load_pem_private_key(key_file.read_bytes(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise TypeError(f"{key_file} is not an Ed25519 key")
        self._key = key
        self._issuer = issuer
        self._verified: dict[str, tuple[Access, float]] = {}

    def issue(self, identity: Identity, scopes: Iterable[Scope], public: Container[str] = ()) -> str:
        """A token with what of the scopes the identity's roles, and its API token, grant; anyone pulls what is `public`."""
        now = int(time.time())
        granted, refused = [], []
        for scope in scopes:
            wanted = _expanded(scope)
            given = tuple(a for a in wanted if _grants(identity, scope, a) or (a == "pull" and scope.name in public))
            denied = tuple(action for action in wanted if action not in given)
            if given:
                granted.append({"type": scope.type, "name": scope.name, "actions": given})
            if denied and identity is not ANONYMOUS:  # who logs in may be granted it
                refused.append({"type": scope.type, "name": scope.name, "actions": denied})
        claims = {
            "iss": self._issuer,
            "sub": identity.id,
            "name": identity.name,
            "type": identity.type,
            "roles": identity.roles,
            "sid": identity.session_id,
            "aud": AUDIENCE,
            "iat": now,
            "nbf": now - _CLOCK_SKEW_SECONDS,
            "exp": now + LIFETIME_SECONDS,
            "jti": secrets.token_hex(8),
            "access": granted,
            "refused": refused,
            "pulls_anywhere": _grants(identity, Scope("repository", "*", ("pull",)), "pull"),
        }
        return jwt.encode(claims, self._key, algorithm="EdDSA")

    def verify(self, token: str) -> Access:
        """What a token proves. Raises Unauthorized."""
        known = self._verified.get(token)
        if known is not None and known[1] > time.time():
            return known[0]
        if len(token) > _LONGEST:
            raise Unauthorized("the token is too long")
        try:
            claims = jwt.decode(
                token,
                self._key.public_key(),
                algorithms=["EdDSA"],
                audience=AUDIENCE,
                issuer=self._issuer,
                leeway=_CLOCK_SKEW_SECONDS,
                options={"require": ["exp", "iat", "sub", "aud", "iss"]},
            )
        except jwt.PyJWTError as error:
            raise Unauthorized("the token is invalid or its time is over") from error
        access = Access(
            claims["sub"],
            claims["name"],
            _entries(claims["access"]),
            _entries(claims["refused"]),
            claims.get("type", ""),
            tuple(claims.get("roles", ())),
            claims.get("sid", ""),
            pulls_anywhere=claims.get("pulls_anywhere", False),
        )
        if len(self._verified) >= _REMEMBERED:
            self._verified.clear()
        self._verified[token] = access, float(claims["exp"])
        return access


def _expanded(scope: Scope) -> tuple[str, ...]:
    if scope.type == "repository" and "*" in scope.actions:
        return tuple(_PERMISSIONS)
    return scope.actions


def _grants(identity: Identity, scope: Scope, action: str) -> bool:
    if scope.type == "repository":
        within = identity.scope is None or identity.scope.covers([("repository", scope.name)])
        return within and action in _PERMISSIONS and allows(identity, _PERMISSIONS[action])
    if identity.scope is not None and identity.scope.limits:
        return False  # the catalogue names every repository
    return Scope(scope.type, scope.name, (action,)) == CATALOG and allows(identity, "images.read")


def _entries(claim: list[dict[str, Any]]) -> frozenset[tuple[str, str, str]]:
    return frozenset((entry["type"], entry["name"], action) for entry in claim for action in entry["actions"])
