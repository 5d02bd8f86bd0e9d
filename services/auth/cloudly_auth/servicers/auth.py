"""cloudly.auth.v1.AuthService: logins, sessions, exchanges, keys."""

from typing import Any

from cloudly.auth.v1 import auth_pb2 as pb
from cloudly.auth.v1 import auth_pb2_grpc
from cloudly_kit.errors import FailedPrecondition
from cloudly_kit.identity import Identity, caller
from cloudly_kit.resources import timestamp

from cloudly_auth.api_tokens import PREFIX, ApiTokens
from cloudly_auth.attempts import Attempts
from cloudly_auth.logins import Logins
from cloudly_auth.machines import Machines
from cloudly_auth.revocations import Revocations
from cloudly_auth.second_step import Asked, SecondStep
from cloudly_auth.service_tokens import ServiceTokens
from cloudly_auth.servicers.identities import client, identity_message, login_challenge
from cloudly_auth.sessions import Sessions
from cloudly_auth.signing_keys import KeyRing
from cloudly_auth.store import User
from cloudly_auth.tokens import client_audience


class AuthServicer(auth_pb2_grpc.AuthServiceServicer):
    """Who is calling."""

    def __init__(
        self,
        *,
        logins: Logins,
        second_step: SecondStep,
        sessions: Sessions,
        machines: Machines,
        api_tokens: ApiTokens,
        services: ServiceTokens,
        keys: KeyRing,
        revocations: Revocations,
        attempts: Attempts,
    ) -> None:
        self._logins = logins
        self._second_step = second_step
        self._sessions = sessions
        self._machines = machines
        self._api_tokens = api_tokens
        self._services = services
        self._keys = keys
        self._revocations = revocations
        self._attempts = attempts

    async def Login(self, request: pb.LoginRequest, context: Any) -> pb.LoginResponse:
        """A session for a user name and a password, or what has to follow them."""
        audience = client_audience(request.audience)
        user = await self._logins.check(request.username, request.password, client().address)
        granted = await self._second_step.after_password(user, audience, client())
        if isinstance(granted, Asked):
            return pb.LoginResponse(challenge=login_challenge(granted))
        return pb.LoginResponse(
            identity=identity_message(granted.identity),
            access_token=granted.access_token,
            refresh_token=granted.refresh_token,
        )

    async def RefreshSession(self, request: pb.RefreshSessionRequest, context: Any) -> pb.RefreshSessionResponse:
        """The next pair of tokens."""
        granted = await self._sessions.refresh(request.refresh_token, client().address)
        return pb.RefreshSessionResponse(
            identity=identity_message(granted.identity),
            access_token=granted.access_token,
            refresh_token=granted.refresh_token,
        )

    async def Logout(self, request: pb.LogoutRequest, context: Any) -> pb.LogoutResponse:
        """End the caller's session."""
        actor = caller().actor
        if actor.type != "human" or not actor.session_id:
            # A machine's sid is its credential: ending it would lock the machine out for good.
            raise FailedPrecondition("only a login has a session to end; a machine's tokens end by themselves")
        await self._sessions.end(actor.session_id)
        return pb.LogoutResponse()

    async def GetIdentity(self, request: pb.GetIdentityRequest, context: Any) -> pb.GetIdentityResponse:
        """Who the caller is."""
        return pb.GetIdentityResponse(identity=identity_message(caller().actor))

    async def ExchangeToken(self, request: pb.ExchangeTokenRequest, context: Any) -> pb.ExchangeTokenResponse:
        """A short token for a machine's secret or an API token."""
        audience = client_audience(request.audience)
        async with self._attempts.secret(address=client().address):
            if request.token.startswith(PREFIX):
                token, identity = await self._api_tokens.exchange(request.token, audience, client().address)
            else:
                token, identity = await self._machines.exchange(request.token, audience)
        return pb.ExchangeTokenResponse(identity=identity_message(identity), access_token=token)

    async def GetJwks(self, request: pb.GetJwksRequest, context: Any) -> pb.GetJwksResponse:
        """The public keys (RFC 7517, RFC 8037)."""
        keys = await self._keys.published()
        return pb.GetJwksResponse(
            keys=[pb.Jwk(kty="OKP", crv="Ed25519", x=key.x, kid=key.kid, alg="EdDSA", use="sig") for key in keys]
        )

    async def IssueServiceToken(
        self, request: pb.IssueServiceTokenRequest, context: Any
    ) -> pb.IssueServiceTokenResponse:
        """A token for the service that signed the assertion."""
        token, identity = await self._services.issue(request.service, request.assertion)
        return pb.IssueServiceTokenResponse(access_token=token, expire_time=timestamp(identity.expire_time))

    async def VerifyCredentials(
        self, request: pb.VerifyCredentialsRequest, context: Any
    ) -> pb.VerifyCredentialsResponse:
        """Who has this name and password; for the registry's Basic logins. An API token is a password of its owner."""
        remote = request.remote_address or client().address
        if request.password.startswith(PREFIX):
            async with self._attempts.secret(address=remote):
                identity = await self._api_tokens.check_login(request.username, request.password, remote)
            return pb.VerifyCredentialsResponse(identity=identity_message(identity))
        user = await self._logins.check(request.username, request.password, remote)
        await self._second_step.refuse_without_second_step(user)
        return pb.VerifyCredentialsResponse(identity=identity_message(_of(user)))

    async def CreateClusterIdentity(
        self, request: pb.CreateClusterIdentityRequest, context: Any
    ) -> pb.CreateClusterIdentityResponse:
        """The cluster's identity and a new jump code."""
        identity, jump_code = await self._machines.create_cluster_identity(
            request.cluster_id, request.cluster_name, request.overlap_seconds
        )
        return pb.CreateClusterIdentityResponse(identity_id=identity.id, jump_code=jump_code)

    async def DeleteClusterIdentity(
        self, request: pb.DeleteClusterIdentityRequest, context: Any
    ) -> pb.DeleteClusterIdentityResponse:
        """Revoke the cluster's identity."""
        await self._machines.delete_cluster_identity(request.cluster_id)
        return pb.DeleteClusterIdentityResponse()

    async def IssuePullToken(self, request: pb.IssuePullTokenRequest, context: Any) -> pb.IssuePullTokenResponse:
        """A registry credential for the cluster's container engines."""
        username, password, expires = await self._machines.pull_token(request.cluster_id)
        return pb.IssuePullTokenResponse(username=username, password=password, expire_time=timestamp(expires))

    async def CheckRevocation(self, request: pb.CheckRevocationRequest, context: Any) -> pb.CheckRevocationResponse:
        """Whether tokens with this sid are refused."""
        return pb.CheckRevocationResponse(revoked=await self._revocations.is_revoked(request.session_id))


def _of(user: User) -> Identity:
    return Identity(id=user.id, name=user.name, type=user.type, roles=tuple(user.roles))
