"""Cloudly as a relying party (OpenID Connect Core 1.0, Discovery 1.0): the authorization code flow with PKCE (RFC 7636).

A provider's keys are read anew at every login, beside the exchange of the code: keys that it has rotated or taken back are
nothing special, and waiting for them costs nothing more.
"""

import asyncio
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit
from weakref import WeakValueDictionary

import structlog
from cloudly_kit.errors import CredentialsInvalid, FailedPrecondition
from pydantic import BaseModel, ConfigDict, ValidationError

from cloudly_auth.oidc.http import ProviderFault, ProviderHttp, address_problem, place
from cloudly_auth.oidc.id_token import base64url, verified
from cloudly_auth.oidc.store import DEFAULT_GROUPS_CLAIM, DEFAULT_SCOPES, OidcProvider, Person

log = structlog.get_logger()

_KNOWN_SECONDS = 300.0
_AWAY_SECONDS = 5.0
"""After a failure a provider is not asked for what it publishes for so long: anybody may begin a login."""
_TEXT_LENGTH = 256
_WRONG_CLIENT = ("invalid_client", "unauthorized_client")


class Metadata(BaseModel):
    """What a provider publishes of itself (Discovery §3), as far as it is used here."""

    model_config = ConfigDict(extra="ignore")

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    token_endpoint_auth_methods_supported: list[str] = ["client_secret_basic"]
    code_challenge_methods_supported: list[str] | None = None
    response_types_supported: list[str] = []
    authorization_response_iss_parameter_supported: bool = False

    @property
    def takes_basic(self) -> bool:
        """Whether the client's secret goes into a header; else it goes into the form."""
        methods = self.token_endpoint_auth_methods_supported
        return "client_secret_basic" in methods or "client_secret_post" not in methods


@dataclass(frozen=True)
class Request:
    """What an authorization request binds its answer to."""

    redirect_uri: str
    nonce: str
    verifier: str
    """PKCE's (RFC 7636 §4.1)."""


class RelyingParty:
    """Talks to providers, and believes what can be verified."""

    def __init__(self, http: ProviderHttp) -> None:
        self._http = http
        self._known: dict[str, tuple[Metadata | ProviderFault, float]] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def metadata(self, issuer: str, *, anew: bool = False) -> Metadata:
        """What the provider publishes; from memory for a few minutes, unless it is to be read anew.

        Raises:
            ProviderFault: it does not answer, or what it answers cannot be used.
        """
        lock = self._locks.get(issuer)
        if lock is None:
            lock = self._locks[issuer] = asyncio.Lock()
        async with lock:
            found, until = self._known.get(issuer, (None, 0.0))
            if found is None or anew or until <= time.monotonic():
                try:
                    found = await self._discover(issuer)
                except ProviderFault as fault:
                    found = fault
                seconds = _AWAY_SECONDS if isinstance(found, ProviderFault) else _KNOWN_SECONDS
                self._known[issuer] = (found, time.monotonic() + seconds)
        if isinstance(found, ProviderFault):
            raise ProviderFault(found.message)
        return found

    async def authorization_url(self, provider: OidcProvider, request: Request, state: str) -> str:
        """Where the browser is sent to.

        Raises:
            ProviderFault: as `metadata`.
        """
        metadata = await self.metadata(provider.issuer)
        scopes = dict.fromkeys(["openid", *(provider.scopes or DEFAULT_SCOPES)])
        query = {
            "response_type": "code",
            "client_id": provider.client_id,
            "redirect_uri": request.redirect_uri,
            "scope": " ".join(scopes),
            "state": state,
            "nonce": request.nonce,
            "code_challenge": base64url(hashlib.sha256(request.verifier.encode()).digest()),
            "code_challenge_method": "S256",
        }
        joint = "&" if urlsplit(metadata.authorization_endpoint).query else "?"
        return f"{metadata.authorization_endpoint}{joint}{urlencode(query)}"

    async def identify(
        self, provider: OidcProvider, secret: str, request: Request, code: str, answered_by: str
    ) -> Person:
        """Who the provider says that the holder of a code is. `answered_by` is the answer's `iss` (RFC 9207).

        Raises:
            CredentialsInvalid: the code is not one of this request, or the ID token does not stand up.
            FailedPrecondition: the provider does not take our client id or secret.
            ProviderFault: it does not answer as it should.
        """
        metadata = await self.metadata(provider.issuer)
        told = bool(answered_by) or metadata.authorization_response_iss_parameter_supported
        if told and answered_by != metadata.issuer:
            raise CredentialsInvalid("another identity provider than the one that was asked has answered: start again")
        tokens, keys = await asyncio.gather(
            self._exchange(provider, secret, metadata, request, code), self.keys(metadata)
        )
        claims = verified(
            tokens.id_token, keys, provider.issuer, provider.client_id, request.nonce, tokens.access_token
        )
        if _lacks(provider, claims) and metadata.userinfo_endpoint and tokens.access_token:
            # What stands in the ID token is signed, and holds.
            claims = {**await self._userinfo(metadata, tokens.access_token, str(claims["sub"])), **claims}
        return _person(provider, claims)

    async def keys(self, metadata: Metadata) -> list[Mapping[str, Any]]:
        """The provider's public keys (RFC 7517), whatever they are for.

        Raises:
            ProviderFault: it does not tell them.
        """
        found = (await self._http.get(metadata.jwks_uri)).get("keys")
        if not isinstance(found, list):
            raise ProviderFault(f"{place(metadata.jwks_uri)} holds no keys")
        return [key for key in found if isinstance(key, dict)]

    async def try_client(
        self, provider: OidcProvider, secret: str, metadata: Metadata, request: Request, code: str
    ) -> tuple[bool | None, str]:
        """Whether the provider takes the client, tried with a code that it never gave; None where it does not tell.

        Raises:
            ProviderFault: it does not answer.
        """
        status, answer = await self._ask_for_tokens(provider, secret, metadata, request, code)
        error = str(answer.get("error", ""))[:_TEXT_LENGTH]
        if error in _WRONG_CLIENT or status == 401:
            return False, error
        return (True if error == "invalid_grant" else None), error

    async def _discover(self, issuer: str) -> Metadata:
        url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            metadata = Metadata.model_validate(await self._http.get(url))
        except ValidationError as error:
            fields = ", ".join(sorted({str(problem["loc"][0]) for problem in error.errors()}))
            raise ProviderFault(f"{place(url)} lacks, or has in a wrong form: {fields}") from error
        if metadata.issuer != issuer:
            message = f"the provider at {place(issuer)} calls itself {metadata.issuer[:_TEXT_LENGTH]!r}"
            raise ProviderFault(f"{message}: the issuer has to be written exactly so")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"):
            address = getattr(metadata, name)
            problem = address_problem(address) if address or name != "userinfo_endpoint" else ""
            if problem or (issuer.startswith("https:") and address and not address.startswith("https:")):
                raise ProviderFault(f"the provider's {name} {problem or 'must begin with https://'}")
        return metadata

    async def _exchange(
        self, provider: OidcProvider, secret: str, metadata: Metadata, request: Request, code: str
    ) -> "_Tokens":
        status, answer = await self._ask_for_tokens(provider, secret, metadata, request, code)
        error = str(answer.get("error", ""))[:_TEXT_LENGTH]
        if error in _WRONG_CLIENT or status == 401:
            log.error("auth.oidc_client_refused", provider=provider.name, error=error)
            raise FailedPrecondition(
                f"{provider.shown_name} does not take Cloudly's client id or secret: an admin has to correct them "
                f"(`cloudly oidc-provider test {provider.name}`)"
            )
        if error == "invalid_grant":
            raise CredentialsInvalid(f"{provider.shown_name} does not know the code, or not any more: start again")
        if status != 200:
            raise ProviderFault(f"{place(metadata.token_endpoint)} answers {status} {error}".rstrip())
        id_token, access_token = answer.get("id_token"), answer.get("access_token")
        if not isinstance(id_token, str):
            raise ProviderFault(f"{place(metadata.token_endpoint)} answers no ID token")
        return _Tokens(id_token, access_token if isinstance(access_token, str) else "")

    async def _ask_for_tokens(
        self, provider: OidcProvider, secret: str, metadata: Metadata, request: Request, code: str
    ) -> tuple[int, dict[str, Any]]:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": request.redirect_uri,
            "code_verifier": request.verifier,
        }
        basic = bool(secret) and metadata.takes_basic
        if not basic:
            form["client_id"] = provider.client_id
        if secret and not basic:
            form["client_secret"] = secret
        login = (provider.client_id, secret) if basic else None
        return await self._http.post(metadata.token_endpoint, form, login=login)

    async def _userinfo(self, metadata: Metadata, access_token: str, subject: str) -> dict[str, Any]:
        info = await self._http.get(metadata.userinfo_endpoint, bearer=access_token)
        if info.get("sub") != subject:
            # Core §5.3.2: it is about somebody else.
            raise CredentialsInvalid("the identity provider's userinfo is about somebody else than its ID token")
        return info


@dataclass(frozen=True)
class _Tokens:
    id_token: str
    access_token: str


def _lacks(provider: OidcProvider, claims: Mapping[str, Any]) -> bool:
    """Whether something is wanted of somebody that the ID token does not tell."""
    groups = provider.role_mappings and _at(claims, provider.groups_claim or DEFAULT_GROUPS_CLAIM) is None
    email = provider.email_domains and "email" not in claims
    return bool(groups or email or not {"preferred_username", "email"} & set(claims))


def _person(provider: OidcProvider, claims: Mapping[str, Any]) -> Person:
    mapped = {mapping.group for mapping in provider.role_mappings}
    amr = claims.get("amr")
    return Person(
        issuer=provider.issuer,
        subject=claims["sub"],
        username=_text(claims.get("preferred_username")),
        email=_text(claims.get("email")),
        email_verified=claims.get("email_verified") in (True, "true"),
        # Others are nobody's business here.
        groups=sorted(mapped & set(_groups(_at(claims, provider.groups_claim or DEFAULT_GROUPS_CLAIM)))),
        second_factor=provider.trusts_second_factor and (amr is None or (isinstance(amr, list) and "mfa" in amr)),
    )


def _at(claims: Mapping[str, Any], path: str) -> Any:
    """The claim of a name (which may hold dots: many are URLs), else what a dotted path leads to."""
    if path in claims:
        return claims[path]
    found: Any = claims
    for part in path.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _groups(value: Any) -> list[str]:
    """Groups come as a list, as a single name, or (roles of some providers) as the names of an object's members."""
    if isinstance(value, str):
        return [value]
    return [name for name in value if isinstance(name, str)] if isinstance(value, list | Mapping) else []


def _text(value: Any) -> str:
    # JSON can hold halves of surrogate pairs, which no database does.
    return value.encode(errors="ignore").decode()[:_TEXT_LENGTH] if isinstance(value, str) else ""
