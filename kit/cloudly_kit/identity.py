"""Who is calling: verification of tokens, and the caller of the call being handled.

Tokens are JWTs (RFC 7519) signed with EdDSA (RFC 8037); everybody verifies them locally against auth's public keys.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, cast

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cloudly_kit.errors import CredentialsInvalid, CredentialsMissing, TokenExpired, TokenRevoked
from cloudly_kit.scopes import Scope

AUDIENCE = "cloudly"
LEGACY_AUDIENCE = "cloudly-legacy"
REGISTRY_AUDIENCE = "registry"
SERVICE_AUDIENCE = "service"
CALL_AUDIENCES = (AUDIENCE, LEGACY_AUDIENCE, SERVICE_AUDIENCE)
"""Audiences with which an RPC may be called."""

MAX_TOKEN_LENGTH = 8192
"""Longer ones are refused unread."""
CLOCK_SKEW_SECONDS = 10
REVOKED_KEY = "cloudly.revoked."
"""Redis key prefix: `cloudly.revoked.<sid>` exists while tokens of a revoked session could still be valid."""

IdentityType = Literal["human", "machine", "service"]
PublicKeys = Mapping[str, Ed25519PublicKey]


@dataclass(frozen=True)
class Identity:
    """A caller as a verified token describes them."""

    id: str
    name: str
    type: IdentityType
    roles: tuple[str, ...] = ()
    cluster_id: str = ""
    session_id: str = ""
    expire_time: datetime | None = None
    audience: str = AUDIENCE
    scope: Scope | None = None
    """For an API token, what of the roles' permissions it may use; None for everybody else."""
    must_enrol: bool = False
    """Whether the session can do nothing but enrol a second factor; `authorize` in rpc_server holds it to that."""


@dataclass(frozen=True)
class Caller:
    """The caller of the call being handled."""

    identity: Identity
    token: str = field(repr=False, default="")
    request_id: str = ""
    remote_address: str = ""
    user_agent: str = ""
    """What the client calls itself, as the gateway tells it."""
    on_behalf_of: Identity | None = None
    """The person or machine for whom a service calls; the actor of the audit trail."""

    @property
    def actor(self) -> Identity:
        """Who wants this: the one behind a service, else the caller."""
        return self.on_behalf_of or self.identity


ANONYMOUS = Identity(id="", name="anonymous", type="human")
_caller: ContextVar[Caller | None] = ContextVar("cloudly_caller", default=None)


def caller() -> Caller:
    """The caller of the call being handled.

    Raises:
        CredentialsMissing: outside of a call, or when nobody is logged in.
    """
    current = _caller.get()
    if current is None or not current.identity.id:
        raise CredentialsMissing
    return current


def current_call() -> Caller | None:
    """The call being handled, its caller possibly anonymous; None outside of a call."""
    return _caller.get()


def set_caller(value: Caller | None) -> None:
    """Set the caller for the rest of this task; for the kit's interceptor and for workers."""
    _caller.set(value)


class TokenVerifier:
    """Verifies tokens with the public keys of auth, and asks whether their session was revoked."""

    def __init__(
        self,
        issuer: str,
        fetch_keys: Callable[[], Awaitable[PublicKeys]],
        is_revoked: Callable[[str], Awaitable[bool]],
    ) -> None:
        self._issuer = issuer
        self._fetch_keys = fetch_keys
        self._is_revoked = is_revoked
        self._keys: PublicKeys = {}
        self._fetched = -1e9
        self._fetching = asyncio.Lock()
        self._verified: dict[str, tuple[Identity, float]] = {}
        # The tokens of a key begin alike, and reading a header costs a quarter of a verification. Only what was verified
        # comes in here, so there are as many as keys.
        self._kids: dict[str, str] = {}

    async def verify(self, token: str, audiences: Collection[str] = CALL_AUDIENCES) -> Identity:
        """The identity that a token proves.

        Raises:
            CredentialsInvalid: not a token of ours, or for another audience.
            TokenExpired: its time is over.
            TokenRevoked: its session was ended.
        """
        if not token or len(token) > MAX_TOKEN_LENGTH:
            raise CredentialsInvalid
        identity = self._remembered(token)
        if identity is None:
            identity = await self._decode(token)
        if identity.audience not in audiences:
            raise CredentialsInvalid("the token is for another purpose")
        await self.check_session(identity)
        return identity

    async def check_session(self, identity: Identity) -> None:
        """Whether the session of somebody who was verified goes on; for streams, which outlive their beginning.

        Raises:
            TokenRevoked: it was ended.
        """
        if identity.session_id and await self._is_revoked(identity.session_id):
            raise TokenRevoked

    def _remembered(self, token: str) -> Identity | None:
        # A signature costs 150 µs to check; the same token comes with every call of a session. The whole token is the
        # key, and an entry ends with the token.
        known = self._verified.get(token)
        if known is None:
            return None
        if known[1] <= time.time():
            del self._verified[token]
            return None
        return known[0]

    async def _decode(self, token: str) -> Identity:
        header = token.partition(".")[0]
        kid = self._kids.get(header) or _kid(token)
        key = await self._key(kid)
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=["EdDSA"],
                issuer=self._issuer,
                leeway=CLOCK_SKEW_SECONDS,
                options={"require": ["exp", "iat", "sub", "aud", "iss"], "verify_aud": False},
            )
        except jwt.ExpiredSignatureError as error:
            raise TokenExpired from error
        except jwt.PyJWTError as error:
            raise CredentialsInvalid from error
        identity = _from_claims(claims)
        self._kids[header] = kid
        if len(self._verified) > 20_000:
            self._verified.clear()
        self._verified[token] = (identity, float(claims["exp"]) + CLOCK_SKEW_SECONDS)
        return identity

    async def _key(self, kid: str) -> Ed25519PublicKey:
        if kid not in self._keys:
            async with self._fetching:
                # An unknown kid is a rotation or a forgery: ask again, but not at a forger's pace.
                if kid not in self._keys and time.monotonic() - self._fetched > (1.0 if not self._keys else 5.0):
                    self._keys = await self._fetch_keys()
                    self._fetched = time.monotonic()
        key = self._keys.get(kid)
        if key is None:
            raise CredentialsInvalid
        return key


def _kid(token: str) -> str:
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise CredentialsInvalid from error
    if header.get("alg") != "EdDSA" or not isinstance(header.get("kid"), str):
        raise CredentialsInvalid
    return str(header["kid"])


def _from_claims(claims: dict[str, Any]) -> Identity:
    audience = claims["aud"]
    roles = claims.get("roles", [])
    if (
        not isinstance(audience, str)
        or not isinstance(roles, list)
        or claims.get("typ") not in ("human", "machine", "service")
    ):
        raise CredentialsInvalid
    try:
        scope = Scope.parse(claims["scope"]) if "scope" in claims else None
    except (ValueError, AttributeError) as error:
        raise CredentialsInvalid("the token's scope has words that are not known here") from error
    return Identity(
        id=str(claims["sub"]),
        name=str(claims.get("name", "")),
        type=cast("IdentityType", claims["typ"]),
        roles=tuple(str(role) for role in roles),
        cluster_id=str(claims.get("cluster", "")),
        session_id=str(claims.get("sid", "")),
        expire_time=datetime.fromtimestamp(claims["exp"], UTC),
        audience=audience,
        scope=scope,
        must_enrol=bool(claims.get("enrol", False)),
    )


def key_from_jwk(x: str) -> Ed25519PublicKey:
    """The public key of a JWK's `x` (RFC 8037 §2)."""
    return Ed25519PublicKey.from_public_bytes(jwt.utils.base64url_decode(x))
