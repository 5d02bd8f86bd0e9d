"""Access tokens: signed claims (JWT, RFC 7519; EdDSA, RFC 8037) that every service verifies by itself.

Claims: iss the public address, aud for whom, sub the user's or machine's id, name, typ, roles, sid what to revoke it by,
cluster, scope (of API tokens, see cloudly_kit/scopes.py), enrol where a second factor has to be enrolled first, jti, iat,
nbf, exp; the header names the key (kid).
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cloudly_kit.errors import InvalidArgument
from cloudly_kit.identity import AUDIENCE, LEGACY_AUDIENCE, REGISTRY_AUDIENCE, SERVICE_AUDIENCE, Identity
from cloudly_kit.ids import new_id

from cloudly_auth.signing_keys import KeyRing

LIFETIMES = {
    AUDIENCE: timedelta(minutes=10),
    LEGACY_AUDIENCE: timedelta(hours=24),  # legacy clients cannot refresh
    SERVICE_AUDIENCE: timedelta(minutes=10),
    REGISTRY_AUDIENCE: timedelta(days=30),  # Swarm reschedules with what it was given long ago
}
LONGEST_LIFETIME = max(LIFETIMES.values())
CLIENT_AUDIENCES = (AUDIENCE, LEGACY_AUDIENCE)
"""What clients may ask for."""


def client_audience(asked: str) -> str:
    """The audience that a client asks for; none asked is the usual one.

    Raises:
        InvalidArgument: there is no such audience for clients.
    """
    if asked and asked not in CLIENT_AUDIENCES:
        raise InvalidArgument.of(("audience", f"must be one of {', '.join(CLIENT_AUDIENCES)}"))
    return asked or AUDIENCE


class Tokens:
    """Makes tokens out of identities."""

    def __init__(self, issuer: str, keys: KeyRing) -> None:
        self._issuer = issuer
        self._keys = keys

    async def sign(self, identity: Identity, *, not_after: datetime | None = None) -> tuple[str, Identity]:
        """A token for the identity's audience, and the identity with the time at which that token ends.

        `not_after` shortens the token's life, for one that rests on something that ends earlier.
        """
        now = datetime.now(UTC).replace(microsecond=0)
        expires = now + LIFETIMES[identity.audience]
        if not_after is not None:
            expires = min(expires, not_after.replace(microsecond=0))
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": identity.audience,
            "sub": identity.id,
            "name": identity.name,
            "typ": identity.type,
            "roles": list(identity.roles),
            "jti": new_id(),
            "iat": now,
            "nbf": now,
            "exp": expires,
        }
        if identity.session_id:
            claims["sid"] = identity.session_id
        if identity.cluster_id:
            claims["cluster"] = identity.cluster_id
        if identity.scope is not None:
            claims["scope"] = str(identity.scope)
        if identity.must_enrol:
            claims["enrol"] = True
        kid, key = await self._keys.signer()
        token = jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": kid})
        return token, replace(identity, expire_time=expires)
