"""A login by a provider, or the linking of an account to one, from its start to its end.

1. `start` answers the provider's address and a verifier. Everything that has to be known later travels as the `state`, a
   sealed challenge (challenges.py): strangers who start thousands of logins store nothing.
2. The provider sends the browser to the gateway, which calls `finish`. The state is used up, the provider's code is
   exchanged, the ID token verified. Who it is, is kept for two minutes under a one-time code, which the browser takes along.
   To a program that waits at a port of its own it takes a refusal along as well.
3. `complete` or `complete_link` want the code and the verifier. Only then is anything done: a user made, roles changed, a
   session begun. Whoever has another begin a login, or leads another's browser to the end of one (RFC 9700 §4.7), lacks
   the verifier or the code.
"""

import hmac
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

import structlog
from cloudly_kit.audit import notes
from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.errors import CredentialsInvalid, FailedPrecondition, NotFound, PermissionDenied
from cloudly_kit.ids import derived_id, hash_secret, new_secret
from cloudly_kit.rpc_server import translate
from cloudly_kit.store import Session as Transaction
from cloudly_kit.store import now
from pydantic import Field

from cloudly_auth.attempts import Attempts
from cloudly_auth.challenges import Challenge, Challenges
from cloudly_auth.oidc.people import People
from cloudly_auth.oidc.protocol import RelyingParty, Request
from cloudly_auth.oidc.providers import OidcProviders
from cloudly_auth.oidc.store import OidcLink, OidcLogin, OidcProvider, OidcStore, Person, Purpose
from cloudly_auth.second_step import Asked, SecondStep
from cloudly_auth.sessions import Client, Granted
from cloudly_auth.store import ROOT, User

log = structlog.get_logger()

FLOW_LIFETIME = timedelta(minutes=10)
"""For what somebody does at the provider."""
CODE_LIFETIME = timedelta(minutes=2)
CODE_PREFIX = "cloudly_sso"
_VERIFIER_PREFIX = "cloudly_ssov"
_ERRORS = {
    "access_denied": "the login was declined at {name}",
    "login_required": "{name} wants you to log in there first",
    "interaction_required": "{name} wants something of you first: log in there",
    "consent_required": "{name} wants your consent first: log in there",
    "account_selection_required": "{name} wants you to choose an account first",
    "temporarily_unavailable": "{name} cannot log anybody in at this moment: try again later",
    "invalid_scope": "{name} does not know one of the scopes: an admin has to correct them",
    "unauthorized_client": "{name} does not let Cloudly log people in so: an admin has to correct the client there",
}
"""What providers may say instead of a code (RFC 6749 §4.1.2.1, OpenID Connect Core §3.1.2.6). Other words are not repeated:
anybody can put them into a link."""


class Flow(Challenge):
    """What a login is about, as its `state` carries it."""

    purpose: Purpose
    provider_id: str
    provider_etag: str
    verifier_hash: str
    """Of the verifier that whoever began it keeps."""
    pkce: str = Field(default_factory=lambda: secrets.token_urlsafe(32))
    """Our own verifier towards the provider."""
    loopback_port: int = 0
    show_code: bool = False


@dataclass(frozen=True)
class Started:
    """Where to send the browser, and what to keep."""

    authorization_url: str
    verifier: str


@dataclass(frozen=True)
class Answered:
    """What the browser brings back from the provider."""

    code: str = ""
    state: str = ""
    error: str = ""
    issuer: str = ""


class Flows:
    """Logins and links by providers."""

    def __init__(
        self,
        store: OidcStore,
        *,
        providers: OidcProviders,
        relying_party: RelyingParty,
        people: People,
        challenges: Challenges,
        second_step: SecondStep,
        attempts: Attempts,
        public_origin: str,
    ) -> None:
        self._store = store
        self._providers = providers
        self._relying_party = relying_party
        self._people = people
        self._challenges = challenges
        self._second_step = second_step
        self._attempts = attempts
        self._origin = public_origin

    async def start(self, provider_name: str, *, loopback_port: int = 0, show_code: bool = False) -> Started:
        """Begin a login.

        Raises:
            NotFound: there is no such provider.
            Unavailable: it does not answer.
        """
        return await self._start(provider_name, "sso-login", loopback_port=loopback_port, show_code=show_code)

    async def start_link(self, provider_name: str, user: User) -> Started:
        """Begin to link a user's account. Raises as `start`."""
        return await self._start(provider_name, "sso-link", user=user)

    async def finish(self, answer: Answered, client: Client) -> str:
        """Find out who it is that a provider sends back; answers where the browser goes on.

        What ends the login of a program that waits for the browser has where it goes on in its metadata, as `redirect_url`.

        Raises:
            CredentialsInvalid, TokenExpired: no login of ours, or one that was finished; or the ID token does not stand up.
            PermissionDenied: the provider, or whoever was there, declined.
            FailedPrecondition: the provider was changed or disabled meanwhile, or does not take our client.
            Unavailable: it does not answer.
            RateLimited: too many wrong ones from this address.
        """
        async with self._attempts.secret(address=client.address):
            flow = self._challenges.read_as(Flow, answer.state, "sso-login", "sso-link")
            with self._told_onward(flow):
                provider = await self._unchanged(flow.provider_id, flow.provider_etag)
                if answer.error or not answer.code:
                    log.info("auth.oidc_declined", provider=provider.name, error=answer.error)
                    told = _ERRORS.get(answer.error, "{name} did not log you in")
                    raise PermissionDenied("login", told.format(name=provider.shown_name))
                # Before the exchange: of several that bring the same state, one asks the provider.
                replayed = await self._use_up(flow)
            if replayed is not None:
                raise replayed  # which ends nothing for the one that came first
        crashpoint("auth.oidc.finish.after_spending")
        with self._told_onward(flow):
            person = await self._relying_party.identify(
                provider, self._providers.secret(provider), self._request(flow), answer.code, answer.issuer
            )
            code = await self._keep(flow, provider, person)
        log.info("auth.oidc_identified", provider=provider.name, purpose=flow.purpose)
        return self._onward(flow, code)

    async def complete(self, code: str, verifier: str, client: Client) -> Granted | Asked:
        """A session for whoever began the login and has its code; or the challenge of the second factor that has to follow.

        Raises:
            CredentialsInvalid: the code or the verifier is wrong, or was used before.
            PermissionDenied: the person may not come in; the message says why.
            FailedPrecondition: the provider was changed or disabled meanwhile.
            RateLimited: too many wrong ones from this address.
        """
        async with self._attempts.secret(address=client.address):
            login = await self._login(code, verifier, "sso-login")
        provider = await self._unchanged(login.provider_id, login.provider_etag)
        notes.about("linked identity", "", f"{login.person.email or login.person.subject} of {provider.name}")
        try:
            user = await self._people.admit(provider, login.person, lambda transaction: self._spend(login, transaction))
        except PermissionDenied as refusal:
            log.info("auth.oidc_login_refused", provider=provider.name, reason=refusal.message)
            raise
        crashpoint("auth.oidc.complete.after_write")
        return await self._second_step.after_provider(user, client, vouched=login.person.second_factor)

    async def complete_link(self, code: str, verifier: str, user: User, client: Client) -> OidcLink:
        """Link the account of the user who began it.

        Raises:
            CredentialsInvalid, PermissionDenied, FailedPrecondition, RateLimited: as `complete`.
        """
        async with self._attempts.secret(address=client.address):
            login = await self._login(code, verifier, "sso-link")
            if login.user_id != user.id:
                raise CredentialsInvalid("this was begun by another user: start again")
        provider = await self._unchanged(login.provider_id, login.provider_etag)
        return await self._people.link(
            user.id, provider, login.person, lambda transaction: self._spend(login, transaction)
        )

    async def _start(
        self,
        provider_name: str,
        purpose: Purpose,
        *,
        user: User | None = None,
        loopback_port: int = 0,
        show_code: bool = False,
    ) -> Started:
        provider = await self._store.providers.find_one(scope=ROOT, name=provider_name)
        if provider is None or provider.disabled:
            raise NotFound("identity provider", provider_name)
        verifier = new_secret(_VERIFIER_PREFIX)
        flow = Flow(
            purpose=purpose,
            user_id=user.id if user else "",
            expire_time=now() + FLOW_LIFETIME,
            provider_id=provider.id,
            provider_etag=provider.etag,
            verifier_hash=hash_secret(verifier),
            loopback_port=loopback_port,
            show_code=show_code,
        )
        state = self._challenges.token(flow)
        return Started(await self._relying_party.authorization_url(provider, self._request(flow), state), verifier)

    def _request(self, flow: Flow) -> Request:
        return Request(self._providers.callback_url, flow.id, flow.pkce)

    async def _unchanged(self, provider_id: str, etag: str) -> OidcProvider:
        provider = await self._store.providers.find(provider_id)
        if provider is None or provider.disabled or provider.etag != etag:
            raise FailedPrecondition("the identity provider was changed or disabled in the meantime: start again")
        return provider

    async def _keep(self, flow: Flow, provider: OidcProvider, person: Person) -> str:
        code = new_secret(CODE_PREFIX)
        await self._store.logins.insert(
            OidcLogin(
                id=_login_id(code),
                name=provider.name,
                provider_id=provider.id,
                provider_etag=provider.etag,
                purpose=flow.purpose,
                user_id=flow.user_id,
                verifier_hash=flow.verifier_hash,
                person=person,
                expire_time=now() + CODE_LIFETIME,
            )
        )
        return code

    def _onward(self, flow: Flow, code: str) -> str:
        # What follows a # stays in the browser and reaches no log (decision 0015).
        if flow.purpose == "sso-link":
            return f"{self._origin}/account#sso={code}"
        if flow.loopback_port:
            return _at_loopback(flow, code=code)
        if flow.show_code:
            return f"{self._origin}/login-code#{code}"
        return f"{self._origin}/login#sso={code}"

    async def _use_up(self, flow: Flow) -> CredentialsInvalid | None:
        """Let nobody bring this state again; answers why, where somebody has."""
        try:
            await self._store.database.transaction(lambda transaction: self._challenges.spend(flow, transaction))
        except CredentialsInvalid as replayed:
            return replayed
        return None

    @contextmanager
    def _told_onward(self, flow: Flow) -> Iterator[None]:
        """Add to a failure where the browser takes it, if a program waits for it there."""
        try:
            yield
        except Exception as error:
            failure = translate(error, "FinishOidcLogin")
            if flow.loopback_port:
                failure.metadata["redirect_url"] = _at_loopback(flow, refused=failure.message)
            if failure is error:
                raise
            raise failure from error

    async def _login(self, code: str, verifier: str, purpose: Purpose) -> OidcLogin:
        login = await self._store.logins.find(_login_id(code))
        if login is None or login.purpose != purpose or login.expire_time <= now():
            raise CredentialsInvalid("this login is over, or was completed before: start again")
        if not hmac.compare_digest(login.verifier_hash, hash_secret(verifier)):
            raise CredentialsInvalid("this login was begun elsewhere: start again here")
        return login

    async def _spend(self, login: OidcLogin, transaction: Transaction) -> None:
        try:
            await self._store.logins.delete(login.id, session=transaction)
        except NotFound as error:
            raise CredentialsInvalid("this login was completed before: start again") from error


def _at_loopback(flow: Flow, **brought: str) -> str:
    # Any page and program can knock at that port. By the hash of its verifier the program knows its own login.
    query = urlencode({**brought, "login": flow.verifier_hash})
    return f"http://127.0.0.1:{flow.loopback_port}/?{query}"


def _login_id(code: str) -> str:
    # Found by id alone; the id tells nothing of the code.
    return derived_id("oidc-login", code)
