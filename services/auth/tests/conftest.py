"""A running auth on real servers, and short ways to call it."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cloudly.auth.v1 import (
    auth_pb2,
    auth_pb2_grpc,
    oidc_provider_pb2,
    oidc_provider_pb2_grpc,
    sso_pb2,
    sso_pb2_grpc,
    user_pb2,
    user_pb2_grpc,
)
from cloudly_auth.config import Settings
from cloudly_auth.main import serve
from cloudly_auth.signing_keys import RING_ID, SETTLED_SECONDS, KeyRingDocument, key_rings
from cloudly_auth.store import AuthStore
from cloudly_auth.testing import Provider, provider, provider_process
from cloudly_kit.ids import new_id
from cloudly_kit.rpc_client import ServiceChannel
from cloudly_kit.store import Database
from cloudly_kit.testing import ServiceHarness
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from google.protobuf.field_mask_pb2 import FieldMask
from motor.motor_asyncio import AsyncIOMotorClient

__all__ = ["provider", "provider_process"]

ADMIN, PASSWORD = "root", "a long enough passphrase"


class Auth:
    """Auth, as its callers see it."""

    def __init__(self, harness: ServiceHarness, settings: Settings, stack: AsyncExitStack) -> None:
        self.harness = harness
        self.settings = settings
        self._stack = stack
        self._open: dict[str, ServiceChannel] = {}

    def channel(self, token: str = "") -> ServiceChannel:
        async def bearer() -> str:
            return token

        if token not in self._open:
            self._open[token] = ServiceChannel("auth", self.settings.auth_listen, bearer if token else None)
            self._stack.push_async_callback(self._open[token].close)
        return self._open[token]

    def at(self, settings: Settings) -> "Auth":
        """The same of another replica."""
        return Auth(self.harness, settings, self._stack)

    def auth(self, token: str = "") -> Any:
        return auth_pb2_grpc.AuthServiceStub(self.channel(token))

    def users(self, token: str) -> Any:
        return user_pb2_grpc.UserServiceStub(self.channel(token))

    async def login(self, name: str = ADMIN, password: str = PASSWORD, audience: str = "") -> auth_pb2.LoginResponse:
        return await self.auth().Login(auth_pb2.LoginRequest(username=name, password=password, audience=audience))

    async def refresh(self, token: str) -> auth_pb2.RefreshSessionResponse:
        return await self.auth().RefreshSession(auth_pb2.RefreshSessionRequest(refresh_token=token))

    async def identity(self, token: str) -> auth_pb2.Identity:
        return (await self.auth(token).GetIdentity(auth_pb2.GetIdentityRequest())).identity

    async def admin(self) -> str:
        return (await self.login()).access_token

    async def add_user(self, name: str, *roles: str, password: str = PASSWORD, token: str = "") -> user_pb2.User:
        user = user_pb2.User(name=name, roles=roles, password=password)
        users = self.users(token or await self.admin())
        return (await users.CreateUser(user_pb2.CreateUserRequest(user=user))).user

    def assertion(self, service: str, **changes: Any) -> str:
        key = load_pem_private_key((self.settings.keys_dir / f"{service}.key").read_bytes(), None)
        now = int(time.time())
        claims = {"iss": service, "sub": service, "aud": "auth", "iat": now, "exp": now + 60, "jti": new_id()}
        return jwt.encode({**claims, **changes}, key, algorithm="EdDSA")

    async def service(self, name: str) -> str:
        """An access token of one of Cloudly's services."""
        request = auth_pb2.IssueServiceTokenRequest(service=name, assertion=self.assertion(name))
        return (await self.auth().IssueServiceToken(request)).access_token

    async def jump_code(self, cluster_id: str, overlap_seconds: int = 0) -> str:
        clusters = self.auth(await self.service("clusters"))
        request = auth_pb2.CreateClusterIdentityRequest(
            cluster_id=cluster_id, cluster_name="one", overlap_seconds=overlap_seconds
        )
        return (await clusters.CreateClusterIdentity(request)).jump_code

    async def exchange(self, secret: str, audience: str = "") -> auth_pb2.ExchangeTokenResponse:
        return await self.auth().ExchangeToken(auth_pb2.ExchangeTokenRequest(token=secret, audience=audience))


class Sso:
    """Logins by one provider."""

    def __init__(self, auth: Auth, provider: Provider) -> None:
        self.auth = auth
        self.provider = provider
        self.record = oidc_provider_pb2.OidcProvider()

    def providers(self, token: str) -> Any:
        return oidc_provider_pb2_grpc.OidcProviderServiceStub(self.auth.channel(token))

    def calls(self, token: str = "") -> Any:
        return sso_pb2_grpc.SsoServiceStub(self.auth.channel(token))

    async def make(self, **fields: Any) -> oidc_provider_pb2.OidcProvider:
        """The provider's record; by default everybody who logs in becomes a viewer."""
        wished = {
            "name": "corp", "issuer": self.provider.issuer, "client_id": "cloudly", "client_secret": "hush",
            "auto_create": True, "default_roles": ["viewer"],
        }  # fmt: skip
        wished |= fields
        made = await self.providers(await self.auth.admin()).CreateOidcProvider(
            oidc_provider_pb2.CreateOidcProviderRequest(oidc_provider=oidc_provider_pb2.OidcProvider(**wished))
        )
        self.record = made.oidc_provider
        return self.record

    async def update(self, mask: str, **fields: Any) -> oidc_provider_pb2.OidcProvider:
        wished = oidc_provider_pb2.OidcProvider(id=self.record.id, **fields)
        request = oidc_provider_pb2.UpdateOidcProviderRequest(
            oidc_provider=wished, update_mask=FieldMask(paths=mask.split())
        )
        return (await self.providers(await self.auth.admin()).UpdateOidcProvider(request)).oidc_provider

    async def start(self, **fields: Any) -> sso_pb2.StartOidcLoginResponse:
        return await self.calls().StartOidcLogin(sso_pb2.StartOidcLoginRequest(provider="corp", **fields))

    async def finish(self, **brought: str) -> str:
        """As the gateway does; answers where the browser goes on."""
        request = sso_pb2.FinishOidcLoginRequest(**brought)
        return (await self.calls(await self.auth.service("gateway")).FinishOidcLogin(request)).redirect_url

    async def complete(self, code: str, verifier: str) -> sso_pb2.CompleteOidcLoginResponse:
        return await self.calls().CompleteOidcLogin(sso_pb2.CompleteOidcLoginRequest(code=code, verifier=verifier))

    async def login(self, subject: str) -> sso_pb2.CompleteOidcLoginResponse:
        """All three steps, with a person at the provider."""
        started = await self.start()
        onward = await self.finish(**await self.provider.log_in(started.authorization_url, subject))
        return await self.complete(onward.partition("#sso=")[2], started.verifier)

    async def link(self, token: str, subject: str) -> sso_pb2.OidcIdentity:
        started = await self.calls(token).StartOidcLink(sso_pb2.StartOidcLinkRequest(provider="corp"))
        onward = await self.finish(**await self.provider.log_in(started.authorization_url, subject))
        assert onward.startswith("http://localhost:8080/account#sso=")
        request = sso_pb2.CompleteOidcLinkRequest(code=onward.partition("#sso=")[2], verifier=started.verifier)
        return (await self.calls(token).CompleteOidcLink(request)).linked


@pytest.fixture
async def sso(auth: Auth, provider: Provider) -> Sso:
    return Sso(auth, provider)


@pytest.fixture
def sso_at(caller_of: Auth, provider: Provider) -> Callable[[Settings], Sso]:
    """The same at a replica that the test starts and kills itself."""
    return lambda settings: Sso(caller_of.at(settings), provider)


def claims_of(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


@pytest.fixture
def claims() -> Callable[[str], dict[str, Any]]:
    return claims_of


@pytest.fixture
def settings(harness: ServiceHarness) -> Settings:
    return harness.settings(
        Settings, auth_address=f"unix:{harness.directory}/auth.sock", admin_account=f"{ADMIN}:{PASSWORD}"
    )


@pytest.fixture
def replica(harness: ServiceHarness, settings: Settings) -> Callable[..., Settings]:
    """The settings of the n-th replica, which serves at an address of its own."""

    def numbered(number: int, **changes: Any) -> Settings:
        listen = f"unix:{harness.directory}/auth-{number}.sock"
        return settings.model_copy(update={"auth_listen": listen, **changes})

    return numbered


@pytest.fixture
async def auth(harness: ServiceHarness, settings: Settings) -> AsyncIterator[Auth]:
    async with AsyncExitStack() as stack, harness.running("auth", serve, settings):
        yield Auth(harness, settings, stack)
        await stack.aclose()


@pytest.fixture
async def caller_of(harness: ServiceHarness, settings: Settings) -> AsyncIterator[Auth]:
    """The ways to call, without a running auth: for tests that start and kill it themselves."""
    async with AsyncExitStack() as stack:
        yield Auth(harness, settings, stack)


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[AuthStore]:
    """What auth keeps, looked at from outside."""
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(
        settings.mongodb_url.get_secret_value(), tz_aware=True
    )
    yield AuthStore(Database(client, f"{settings.mongodb_name}_auth"))
    client.close()


@pytest.fixture
def age_session(store: AuthStore) -> Callable[..., Awaitable[None]]:
    """Moves times of a session into the past."""

    async def age(sid: str, **fields: timedelta) -> None:
        await store.sessions.change(
            sid, lambda old: old.model_copy(update={name: getattr(old, name) - past for name, past in fields.items()})
        )

    return age


@pytest.fixture
def age_next_key(store: AuthStore) -> Callable[[], Awaitable[None]]:
    """Has the next signing key be published for long."""

    async def age() -> None:
        def aged(ring: KeyRingDocument) -> KeyRingDocument:
            past = timedelta(seconds=SETTLED_SECONDS)
            keys = [key.model_copy(update={"create_time": key.create_time - past}) for key in ring.keys]
            return ring.model_copy(update={"keys": keys})

        await key_rings(store.database).change(RING_ID, aged)

    return age
