"""Identity providers as resources: what may be written, the sealed client secret, and trying one out."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

import structlog
from cloudly.options.v1 import options_pb2
from cloudly_kit.crypto import Envelope
from cloudly_kit.errors import InvalidArgument
from cloudly_kit.store import Page, PageRequest, RequestKey
from cloudly_kit.validation import matches

from cloudly_auth.oidc.http import ProviderFault, address_problem
from cloudly_auth.oidc.id_token import ALGORITHMS, algorithm_of
from cloudly_auth.oidc.protocol import Metadata, RelyingParty, Request
from cloudly_auth.oidc.store import CLIENT_SECRET, OidcProvider, OidcStore
from cloudly_auth.store import ROOT
from cloudly_auth.users import role_problems

log = structlog.get_logger()

CALLBACK_PATH = "/auth/oidc/callback"
Change = Callable[[OidcProvider], OidcProvider]


@dataclass(frozen=True)
class Report:
    """What came of trying a provider out."""

    metadata: Metadata | None
    algorithms: tuple[str, ...]
    client: bool | None
    """Whether the provider takes the client; None where it does not tell."""
    problems: tuple[str, ...]

    @property
    def working(self) -> bool:
        """Whether nothing is known to be in the way."""
        return not self.problems


class OidcProviders:
    """The rules of providers."""

    def __init__(self, store: OidcStore, envelope: Envelope, relying_party: RelyingParty, public_origin: str) -> None:
        self._store = store
        self._envelope = envelope
        self._relying_party = relying_party
        self.callback_url = f"{public_origin}{CALLBACK_PATH}"
        """Where providers send browsers back to."""

    async def create(self, wished: OidcProvider, secret: str, request: RequestKey | None) -> OidcProvider:
        """Make a provider; a repeated request answers the one it made before.

        Raises:
            InvalidArgument: a field breaks a rule.
            AlreadyExists: the name is taken.
        """
        _check(wished)
        made, _ = await self._store.providers.insert(self._sealed(wished, secret), request=request)
        log.info("auth.oidc_provider_created", provider=made.id, name=made.name, issuer=made.issuer)
        return made

    async def get(self, id: str) -> OidcProvider:
        """A provider. Raises NotFound."""
        return await self._store.providers.get(id)

    async def page(self, request: PageRequest) -> Page[OidcProvider]:
        """The providers by name."""
        return await self._store.providers.page([ROOT], request)

    async def enabled(self) -> list[OidcProvider]:
        """Those by which one can log in, by name. Admins make them: they are few."""
        found = await self._store.providers.find_all(scope=ROOT, disabled=False)
        return sorted(found, key=lambda provider: provider.name)

    async def names(self, ids: set[str]) -> dict[str, str]:
        """What people call the providers of these ids; those that are gone are left out."""
        found = [await self._store.providers.find(id) for id in sorted(ids)]
        return {provider.id: provider.shown_name for provider in found if provider is not None}

    async def update(self, id: str, etag: str, change: Change, secret: str | None) -> OidcProvider:
        """Change one; `secret` is the new one, "" takes it away, None leaves it.

        Raises:
            NotFound, StaleEtag, AlreadyExists, InvalidArgument: as `create`.
        """

        def mutate(found: OidcProvider) -> OidcProvider:
            changed = change(found)
            _check(changed)
            if changed.issuer != found.issuer and found.client_secret is not None and secret is None:
                # Else whoever may write providers, and does not know the secret, could have it sent to themselves.
                raise InvalidArgument.of(("oidc_provider.client_secret", "must be given again with another issuer"))
            return changed if secret is None else self._sealed(changed, secret)

        changed = await self._store.providers.change(id, mutate, etag=etag)
        log.info("auth.oidc_provider_updated", provider=id, name=changed.name, issuer=changed.issuer)
        return changed

    async def delete(self, id: str, etag: str) -> None:
        """Delete one. Raises NotFound, StaleEtag."""
        await self._store.providers.delete(id, etag=etag)
        log.info("auth.oidc_provider_deleted", provider=id)

    def secret(self, provider: OidcProvider) -> str:
        """The client secret in the clear; empty where there is none. Never to be logged."""
        sealed = provider.client_secret
        return self._envelope.open(sealed, CLIENT_SECRET.context(id=provider.id)).decode() if sealed is not None else ""

    async def test(self, id: str) -> Report:
        """Read what a provider publishes, and try the client out with a code that was made up.

        Raises:
            NotFound: there is none with this id.
        """
        provider = await self.get(id)
        problems: list[str] = []
        try:
            metadata = await self._relying_party.metadata(provider.issuer, anew=True)
        except ProviderFault as fault:
            return Report(None, (), None, (fault.message,))
        algorithms = await self._algorithms(metadata, problems)
        client = await self._client(provider, metadata, problems)
        if metadata.response_types_supported and "code" not in metadata.response_types_supported:
            problems.append("the provider does not offer the authorization code flow (response type `code`)")
        methods = metadata.code_challenge_methods_supported
        if methods is not None and "S256" not in methods:
            problems.append("the provider says that it does not know PKCE with S256")
        report = Report(metadata, algorithms, client, tuple(problems))
        log.info("auth.oidc_provider_tested", provider=id, name=provider.name, working=report.working)
        return report

    async def _algorithms(self, metadata: Metadata, problems: list[str]) -> tuple[str, ...]:
        try:
            keys = await self._relying_party.keys(metadata)
        except ProviderFault as fault:
            problems.append(fault.message)
            return ()
        usable = tuple(sorted({algorithm_of(key) for key in keys} & set(ALGORITHMS)))
        if not usable:
            problems.append(f"the provider has no key for one of {', '.join(ALGORITHMS)}")
        return usable

    async def _client(self, provider: OidcProvider, metadata: Metadata, problems: list[str]) -> bool | None:
        made_up = Request(self.callback_url, nonce="", verifier=secrets.token_urlsafe(32))
        code = f"cloudly-test-{secrets.token_urlsafe(16)}"
        try:
            takes, error = await self._relying_party.try_client(
                provider, self.secret(provider), metadata, made_up, code
            )
        except ProviderFault as fault:
            problems.append(fault.message)
            return None
        if takes is False:
            problems.append(f"the provider does not take the client id or the client secret ({error or 'status 401'})")
        elif takes is None:
            problems.append(f"the provider's token endpoint answers a wrong code with {error!r}: try a login")
        return takes

    def _sealed(self, provider: OidcProvider, secret: str) -> OidcProvider:
        sealed = self._envelope.seal(secret.encode(), CLIENT_SECRET.context(id=provider.id)) if secret else None
        return provider.model_copy(update={"client_secret": sealed})


def _check(provider: OidcProvider) -> None:
    wrong: list[tuple[str, str]] = []
    if problem := address_problem(provider.issuer):
        wrong.append(("oidc_provider.issuer", problem))
    if "?" in provider.issuer:
        wrong.append(("oidc_provider.issuer", "must have no query"))
    if provider.default_roles:
        wrong += [("oidc_provider.default_roles", text) for text in role_problems(tuple(provider.default_roles))]
    for index, mapping in enumerate(provider.role_mappings):
        wrong += [(f"oidc_provider.role_mappings[{index}].role", text) for text in role_problems((mapping.role,))]
    if provider.auto_create and not provider.default_roles and not provider.role_mappings:
        text = "is needed with auto_create, or role_mappings: a new user has to have a role"
        wrong.append(("oidc_provider.default_roles", text))
    for index, scope in enumerate(provider.scopes):
        if not scope or not all("!" <= letter <= "~" and letter not in '"\\' for letter in scope):
            wrong.append((f"oidc_provider.scopes[{index}]", "must be one word (RFC 6749 §3.3)"))
    for index, domain in enumerate(provider.email_domains):
        if domain != domain.lower() or not matches(options_pb2.FORMAT_DOMAIN, domain) or domain.startswith("*"):
            wrong.append(
                (f"oidc_provider.email_domains[{index}]", "must be a domain such as example.com, in lowercase")
            )
    if wrong:
        raise InvalidArgument.of(*wrong)
