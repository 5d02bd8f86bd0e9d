"""Who a Basic login is: a user with a password or an API token as it, or a cluster with its pull token."""

import base64
import binascii
import hashlib
import secrets
import time

import grpc
from cloudly.auth.v1 import auth_pb2, auth_pb2_grpc
from cloudly_kit.errors import CredentialsInvalid
from cloudly_kit.identity import REGISTRY_AUDIENCE, Identity, IdentityType, TokenVerifier
from cloudly_kit.scopes import Scope

from cloudly_registry.errors import Unauthorized

_RECENT_SECONDS = 60.0
_REMEMBERED = 1000
_TYPES: dict[int, IdentityType] = {
    auth_pb2.IDENTITY_TYPE_HUMAN: "human",
    auth_pb2.IDENTITY_TYPE_MACHINE: "machine",
}


class Logins:
    """Checks logins: pull tokens here, everything else at auth, once a token and not once a blob."""

    def __init__(self, auth: grpc.aio.Channel, verifier: TokenVerifier) -> None:
        self._auth = auth_pb2_grpc.AuthServiceStub(auth)
        self._verifier = verifier
        self._salt = secrets.token_bytes(32)
        self._recent: dict[bytes, tuple[Identity, float]] = {}

    async def identify_recent(self, username: str, password: str, remote_address: str) -> Identity:
        """The same for a login that comes with every request: one that was right holds for a minute.

        Raises:
            As `identify`.
        """
        login = f"{len(username)} {username}{password}".encode()
        key = hashlib.blake2b(login, key=self._salt).digest()
        known = self._recent.get(key)
        if known is not None and known[1] > time.monotonic():
            return known[0]
        identity = await self.identify(username, password, remote_address)
        if len(self._recent) >= _REMEMBERED:
            self._recent.clear()
        self._recent[key] = identity, time.monotonic() + _RECENT_SECONDS
        return identity

    async def identify(self, username: str, password: str, remote_address: str) -> Identity:
        """Whose credentials these are.

        Raises:
            CredentialsInvalid, TokenExpired, TokenRevoked: nobody's, or not any more.
            RateLimited, Unavailable: auth says so, or does not answer.
        """
        if not username or not password:
            raise CredentialsInvalid
        # Pull tokens are JWTs; passwords and API tokens are not (they hold no two dots around base64).
        if password.startswith("eyJ") and password.count(".") == 2:
            return await self._verifier.verify(password, (REGISTRY_AUDIENCE,))
        answer = await self._auth.VerifyCredentials(
            auth_pb2.VerifyCredentialsRequest(username=username, password=password, remote_address=remote_address)
        )
        identity = answer.identity
        return Identity(
            id=identity.id,
            name=identity.name,
            type=_TYPES.get(identity.type, "machine"),
            roles=tuple(identity.roles),
            cluster_id=identity.cluster_id,
            session_id=identity.session_id,
            scope=Scope.parse(identity.scope) if identity.scope else None,
        )


def basic_credentials(header: str) -> tuple[str, str]:
    """User name and password of an `Authorization: Basic` header (RFC 7617). Raises Unauthorized."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise Unauthorized("the token endpoint takes a Basic login")
    try:
        username, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise Unauthorized("the Basic login is malformed") from None
    if not colon:
        raise Unauthorized("the Basic login is malformed")
    return username, password
