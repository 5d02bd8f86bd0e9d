"""For tests: the smallest thing that is auth to the other services. It signs tokens, and hands out settings."""

import time
import uuid
from typing import Any

import grpc
import jwt
from cloudly.auth.v1 import auth_pb2, auth_pb2_grpc, setting_pb2, setting_pb2_grpc
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.timestamp_pb2 import Timestamp

from cloudly_kit.identity import AUDIENCE, PublicKeys, TokenVerifier


class OwnedSettings(setting_pb2_grpc.SettingServiceServicer):
    """The settings that every service reads as its own: what the test put into `values`."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    async def ReadOwnedSettings(
        self, request: setting_pb2.ReadOwnedSettingsRequest, context: Any
    ) -> setting_pb2.ReadOwnedSettingsResponse:
        """All of them."""
        settings = [setting_pb2.OwnedSetting(key=key, value=value) for key, value in self.values.items()]
        return setting_pb2.ReadOwnedSettingsResponse(settings=settings)


class Authority(auth_pb2_grpc.AuthServiceServicer):
    """Signs tokens as auth does, and serves what other services ask auth for, on a socket of its own."""

    def __init__(self, address: str, issuer: str) -> None:
        self.address = address
        self.issuer = issuer
        self.revoked: set[str] = set()
        self._key = Ed25519PrivateKey.generate()
        self.settings = OwnedSettings()  # type: ignore[abstract]  # as above: the rest answers UNIMPLEMENTED
        self._server = grpc.aio.server()

    async def start(self) -> None:
        """Begin to serve."""
        auth_pb2_grpc.add_AuthServiceServicer_to_server(self, self._server)
        setting_pb2_grpc.add_SettingServiceServicer_to_server(self.settings, self._server)
        self._server.add_insecure_port(self.address)
        await self._server.start()

    async def stop(self) -> None:
        """End serving."""
        await self._server.stop(0)

    @property
    def public_keys(self) -> PublicKeys:
        """What GetJwks says."""
        return {"test": self._key.public_key()}

    def issue(
        self,
        *roles: str,
        name: str = "someone",
        type: str = "human",
        audience: str = AUDIENCE,
        cluster: str = "",
        session: str = "",
        seconds: int = 600,
        scope: str | None = None,
        enrol: bool = False,
    ) -> str:
        """A token for anybody; with a scope an API token was traded for it, with `enrol` its owner lacks a second factor."""
        now = int(time.time())
        claims = {
            "iss": self.issuer, "sub": f"id-{name}", "name": name, "typ": type, "roles": list(roles), "aud": audience,
            "cluster": cluster, "sid": session, "iat": now, "exp": now + seconds, "jti": uuid.uuid4().hex,
            "enrol": enrol,
        }  # fmt: skip
        if scope is not None:
            claims["scope"] = scope
        return jwt.encode(claims, self._key, algorithm="EdDSA", headers={"kid": "test"})

    async def GetJwks(self, request: auth_pb2.GetJwksRequest, context: Any) -> auth_pb2.GetJwksResponse:
        """The one key."""
        raw = self._key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        x = jwt.utils.base64url_encode(raw).decode()
        return auth_pb2.GetJwksResponse(keys=[auth_pb2.Jwk(kty="OKP", crv="Ed25519", x=x, kid="test", alg="EdDSA")])

    async def IssueServiceToken(
        self, request: auth_pb2.IssueServiceTokenRequest, context: Any
    ) -> auth_pb2.IssueServiceTokenResponse:
        """A token for any service that asks."""
        token = self.issue(name=request.service, type="service", audience="service")
        return auth_pb2.IssueServiceTokenResponse(
            access_token=token, expire_time=Timestamp(seconds=int(time.time()) + 600)
        )

    async def CheckRevocation(
        self, request: auth_pb2.CheckRevocationRequest, context: Any
    ) -> auth_pb2.CheckRevocationResponse:
        """What the test put into `revoked`."""
        return auth_pb2.CheckRevocationResponse(revoked=request.session_id in self.revoked)

    async def CreateClusterIdentity(
        self, request: auth_pb2.CreateClusterIdentityRequest, context: Any
    ) -> auth_pb2.CreateClusterIdentityResponse:
        """A new jump code each time."""
        code = f"cloudly_jc_{uuid.uuid4().hex}"
        return auth_pb2.CreateClusterIdentityResponse(identity_id="m" * 20, jump_code=code)

    async def DeleteClusterIdentity(
        self, request: auth_pb2.DeleteClusterIdentityRequest, context: Any
    ) -> auth_pb2.DeleteClusterIdentityResponse:
        """Nothing is kept, so nothing goes."""
        return auth_pb2.DeleteClusterIdentityResponse()

    async def IssuePullToken(
        self, request: auth_pb2.IssuePullTokenRequest, context: Any
    ) -> auth_pb2.IssuePullTokenResponse:
        """A token for the registry, as a password."""
        token = self.issue("cluster", type="machine", audience="registry", cluster=request.cluster_id)
        return auth_pb2.IssuePullTokenResponse(username=f"cluster-{request.cluster_id}", password=token)

    def verifier(self) -> TokenVerifier:
        """A verifier of these tokens."""

        async def keys() -> PublicKeys:
            return self.public_keys

        async def is_revoked(session: str) -> bool:
            return session in self.revoked

        return TokenVerifier(self.issuer, keys, is_revoked)
