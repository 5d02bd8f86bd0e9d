"""cloudly.auth.v1.SsoService: logins by identity providers, and linked identities."""

from collections.abc import Iterable, Mapping
from typing import Any

from cloudly.auth.v1 import sso_pb2 as pb
from cloudly.auth.v1 import sso_pb2_grpc
from cloudly_kit.identity import caller
from cloudly_kit.resources import page_request, timestamp

from cloudly_auth.accounts import Accounts
from cloudly_auth.oidc.flows import Answered, Flows
from cloudly_auth.oidc.people import People
from cloudly_auth.oidc.providers import OidcProviders
from cloudly_auth.oidc.store import OidcLink
from cloudly_auth.second_step import Asked, SecondStep
from cloudly_auth.servicers.identities import client, identity_message, login_challenge
from cloudly_auth.servicers.proofs import proved
from cloudly_auth.users import Users


class SsoServicer(sso_pb2_grpc.SsoServiceServicer):
    """Start, finish, complete; link, list, unlink."""

    def __init__(
        self,
        *,
        flows: Flows,
        providers: OidcProviders,
        people: People,
        users: Users,
        accounts: Accounts,
        second_step: SecondStep,
        passkeys_possible: bool,
    ) -> None:
        self._flows = flows
        self._providers = providers
        self._people = people
        self._users = users
        self._accounts = accounts
        self._second_step = second_step
        self._passkeys_possible = passkeys_possible

    async def ListLoginOptions(self, request: pb.ListLoginOptionsRequest, context: Any) -> pb.ListLoginOptionsResponse:
        """What a login page offers."""
        providers = [
            pb.LoginProvider(name=provider.name, display_name=provider.shown_name)
            for provider in await self._providers.enabled()
        ]
        return pb.ListLoginOptionsResponse(
            providers=providers,
            passkeys=self._passkeys_possible,
            password=await self._users.has_admin(),
        )

    async def StartOidcLogin(self, request: pb.StartOidcLoginRequest, context: Any) -> pb.StartOidcLoginResponse:
        """Where to send the browser."""
        started = await self._flows.start(
            request.provider, loopback_port=request.loopback_port, show_code=request.show_code
        )
        return pb.StartOidcLoginResponse(authorization_url=started.authorization_url, verifier=started.verifier)

    async def FinishOidcLogin(self, request: pb.FinishOidcLoginRequest, context: Any) -> pb.FinishOidcLoginResponse:
        """Who it is that came back."""
        answer = Answered(request.code, request.state, request.error, request.issuer)
        return pb.FinishOidcLoginResponse(redirect_url=await self._flows.finish(answer, client()))

    async def CompleteOidcLogin(
        self, request: pb.CompleteOidcLoginRequest, context: Any
    ) -> pb.CompleteOidcLoginResponse:
        """A session, or what has to follow."""
        granted = await self._flows.complete(request.code, request.verifier, client())
        if isinstance(granted, Asked):
            return pb.CompleteOidcLoginResponse(challenge=login_challenge(granted))
        return pb.CompleteOidcLoginResponse(
            identity=identity_message(granted.identity),
            access_token=granted.access_token,
            refresh_token=granted.refresh_token,
        )

    async def StartOidcLink(self, request: pb.StartOidcLinkRequest, context: Any) -> pb.StartOidcLinkResponse:
        """Where to send the browser."""
        user = await proved(self._accounts, self._second_step, request.proof, or_fresh=True)
        started = await self._flows.start_link(request.provider, user)
        return pb.StartOidcLinkResponse(authorization_url=started.authorization_url, verifier=started.verifier)

    async def CompleteOidcLink(self, request: pb.CompleteOidcLinkRequest, context: Any) -> pb.CompleteOidcLinkResponse:
        """Link the caller's account."""
        user, _ = await self._accounts.own(caller().actor)
        link = await self._flows.complete_link(request.code, request.verifier, user, client())
        return pb.CompleteOidcLinkResponse(linked=_message(link, await self._names([link])))

    async def ListOidcIdentities(
        self, request: pb.ListOidcIdentitiesRequest, context: Any
    ) -> pb.ListOidcIdentitiesResponse:
        """The caller's own."""
        user, _ = await self._accounts.own(caller().actor)
        return pb.ListOidcIdentitiesResponse(identities=await self._messages(await self._people.of(user.id)))

    async def UnlinkOidcIdentity(
        self, request: pb.UnlinkOidcIdentityRequest, context: Any
    ) -> pb.UnlinkOidcIdentityResponse:
        """Take one of the caller's own away."""
        user, _ = await self._accounts.own(caller().actor)
        await self._people.unlink(user.id, request.identity_id, by_admin=False)
        return pb.UnlinkOidcIdentityResponse()

    async def ListUserOidcIdentities(
        self, request: pb.ListUserOidcIdentitiesRequest, context: Any
    ) -> pb.ListUserOidcIdentitiesResponse:
        """A user's."""
        page = await self._people.page(request.user_id, page_request(request))
        return pb.ListUserOidcIdentitiesResponse(
            identities=await self._messages(page.items), next_page_token=page.next_page_token
        )

    async def UnlinkUserOidcIdentity(
        self, request: pb.UnlinkUserOidcIdentityRequest, context: Any
    ) -> pb.UnlinkUserOidcIdentityResponse:
        """Take one of a user's away."""
        await self._people.unlink(request.user_id, request.identity_id, by_admin=True)
        return pb.UnlinkUserOidcIdentityResponse()

    async def _messages(self, links: Iterable[OidcLink]) -> list[pb.OidcIdentity]:
        found = list(links)
        names = await self._names(found)
        return [_message(link, names) for link in found]

    async def _names(self, links: Iterable[OidcLink]) -> Mapping[str, str]:
        return await self._providers.names({link.provider_id for link in links})


def _message(link: OidcLink, names: Mapping[str, str]) -> pb.OidcIdentity:
    return pb.OidcIdentity(
        id=link.id,
        provider_name=names.get(link.provider_id, ""),
        issuer=link.issuer,
        subject=link.subject,
        email=link.email,
        create_time=timestamp(link.create_time),
        last_login_time=timestamp(link.last_login_time),
    )
