"""What is kept of logins by identity providers.

oidc_providers   the providers                        scope "-"        unique by name; the client secret sealed
oidc_links       who is whom at which provider        scope the user   unique by issuer and subject
oidc_logins      logins that only lack their end      scope "-"        the id follows from the code; gone with its time
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from cloudly_kit.crypto import Sealed
from cloudly_kit.ids import derived_id
from cloudly_kit.sealed_fields import SealedFor
from cloudly_kit.store import Collection, Database, Document, Index
from pydantic import BaseModel

DEFAULT_SCOPES = ("profile", "email")
DEFAULT_GROUPS_CLAIM = "groups"
CLIENT_SECRET = SealedFor("oidc_provider:{id}")

Purpose = Literal["sso-login", "sso-link"]
"""To log somebody in, or to link the account of somebody who is logged in."""


class RoleMapping(BaseModel):
    """Whoever is in the group has the role."""

    group: str
    role: str


class OidcProvider(Document):
    """An identity provider."""

    name: str
    display_name: str = ""
    issuer: str
    client_id: str
    client_secret: Annotated[Sealed | None, CLIENT_SECRET] = None
    scopes: list[str] = []
    groups_claim: str = ""
    role_mappings: list[RoleMapping] = []
    default_roles: list[str] = []
    auto_create: bool = False
    email_domains: list[str] = []
    trusts_second_factor: bool = False
    disabled: bool = False

    @property
    def shown_name(self) -> str:
        """What people call it."""
        return self.display_name or self.name

    def roles_of(self, groups: Sequence[str]) -> list[str]:
        """The roles that somebody in these groups has by this provider; unordered, perhaps none."""
        return [*self.default_roles, *(mapping.role for mapping in self.role_mappings if mapping.group in groups)]


class OidcLink(Document):
    """Somebody at a provider is this user; `scope` is the user's id."""

    identity: str
    """Follows from issuer and subject, which alone say who somebody is (OpenID Connect Core §5.7)."""
    issuer: str
    subject: str
    provider_id: str
    """By which they came last."""
    email: str = ""
    last_login_time: datetime | None = None


class Person(BaseModel):
    """Who a provider says that somebody is."""

    issuer: str
    subject: str
    username: str = ""
    email: str = ""
    email_verified: bool = False
    groups: list[str] = []
    second_factor: bool = False
    """Whether the provider, which is trusted with it, vouches for a second factor."""

    @property
    def identity(self) -> str:
        """See OidcLink.identity."""
        return derived_id("oidc", self.issuer, self.subject)


class OidcLogin(Document):
    """A login that the provider has finished and that waits for the browser or program which began it.

    `name` is the provider's: the audit log tells by it what a login came by.
    """

    name: str
    provider_id: str
    provider_etag: str
    purpose: Purpose
    user_id: str = ""
    """To whose account the person is to be linked."""
    verifier_hash: str
    person: Person
    expire_time: datetime


class OidcStore:
    """The collections. Links are found by who somebody is, or by user."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.providers = providers(database)
        self.links = links(database)
        self.logins: Collection[OidcLogin] = Collection(
            database,
            "oidc_logins",
            OidcLogin,
            kind="single sign-on login",
            indexes=(Index("expire_time", expire_after_seconds=60),),
        )

    async def ensure(self) -> None:
        """Make the collections and their indexes; that of links is made with the users'."""
        await self.providers.ensure()
        await self.logins.ensure()


def links(database: Database) -> Collection[OidcLink]:
    """Who is whom. Beside the users too, with whom links go."""
    return Collection(
        database,
        "oidc_links",
        OidcLink,
        kind="linked identity",
        indexes=(Index("identity", unique=True),),
        orderable=("create_time",),
    )


def providers(database: Database) -> Collection[OidcProvider]:
    """The providers. For the rotation of the master key too, which wraps their client secrets anew."""
    return Collection(
        database,
        "oidc_providers",
        OidcProvider,
        kind="OIDC provider",
        indexes=(Index("scope", "name", unique=True),),
        orderable=("name",),
        filterable=("name", "issuer", "disabled"),
    )
