"""The collections of auth: what is kept, by what it is found. The one file here that knows how documents are stored.

users               people and machines               scope "-"            unique by folded name
sessions            logins and their refresh tokens    scope the user       gone when their time is over
endings             orders to end a user's sessions    scope "-"            gone when carried out
cluster_identities  a machine identity per cluster     scope "-"            the id follows from the cluster's
credentials         secrets of machines, hashed        scope the machine    the id follows from the hash
revocations         what verifiers refuse              scope "-"            the id is the sid; gone with its last token
api_tokens          see api_token_store.py
guards              what concurrent writers meet at    scope "-"
key_rings           see signing_keys.py
factors, …          see factor_store.py
oidc_links          see oidc/store.py
"""

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import Literal

from cloudly_kit.errors import NotFound
from cloudly_kit.store import Choice, Collection, Database, Document, Index
from cloudly_kit.store import Session as Transaction

from cloudly_auth import api_token_store
from cloudly_auth.factor_store import Factors, factor_policies, factors, spent_challenges
from cloudly_auth.names import folded
from cloudly_auth.oidc.store import links as oidc_links

ROOT = "-"
ADMINS_GUARD = "admins"
_KEPT_SECONDS = 86_400
"""What has run out is kept a day longer, so that whoever comes with it is told that it has run out."""


class User(Document):
    """A person, or a machine that is not a cluster."""

    name: str
    name_folded: str
    type: Literal["human", "machine"] = "human"
    roles: list[str] = []
    disabled: bool = False
    password_hash: str = ""
    enabled_admin: bool = False
    """Whether this user can log in and administer; derived, see users.py."""
    session_epoch: int = 0
    """Sessions of an earlier epoch are over."""


class Session(Document):
    """One login. Its refresh token is `<prefix>_<id>.<family secret>.<secret>`; see sessions.py."""

    audience: str
    epoch: int
    remote_address: str = ""
    """Where it was last used from."""
    user_agent: str = ""
    vouched: bool = False
    """Whether an identity provider vouches for a second factor."""
    family_hash: str = ""
    current_hash: str = ""
    previous_hash: str = ""
    rotation: str = ""
    rotate_time: datetime
    """The last login or refresh."""
    last_time: datetime
    """When the session ends, however busy it is."""
    expire_time: datetime
    """When it ends unless it is used again."""
    end_time: datetime | None = None
    open: bool = True


class Ending(Document):
    """An order, written in one transaction with its reason, to end a user's sessions of earlier epochs."""

    user_id: str
    epoch: int


class ClusterIdentity(Document):
    """The machine identity of a cluster."""

    cluster_id: str
    name: str


class Credential(Document):
    """A long-lived secret of a machine."""

    kind: Literal["jump_code"] = "jump_code"
    secret_hash: str
    expire_time: datetime | None = None


class Revocation(Document):
    """Tokens whose sid is this document's id are refused from `effective_time` to `until_time`."""

    effective_time: datetime
    until_time: datetime


class Guard(Document):
    """A document that concurrent transactions write in order to meet."""

    count: int = 0


class AuthStore:
    """The collections."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.users: Collection[User] = Collection(
            database,
            "users",
            User,
            kind="user",
            indexes=(
                Index("scope", "name_folded", unique=True),
                Index("scope", "enabled_admin"),
            ),
            orderable={"name": "name_folded"},
            filterable={
                "name": "name",
                "type": Choice("type", {"HUMAN": "human", "MACHINE": "machine"}),
                "disabled": "disabled",
                "roles": "roles",
            },
        )
        self.sessions: Collection[Session] = Collection(
            database,
            "sessions",
            Session,
            kind="session",
            indexes=(Index("scope", "open"), Index("expire_time", expire_after_seconds=_KEPT_SECONDS)),
            orderable=("create_time",),
        )
        self.endings: Collection[Ending] = Collection(database, "endings", Ending, kind="ending")
        self.cluster_identities: Collection[ClusterIdentity] = Collection(
            database, "cluster_identities", ClusterIdentity, kind="cluster identity"
        )
        self.credentials: Collection[Credential] = Collection(
            database,
            "credentials",
            Credential,
            kind="credential",
            indexes=(Index("expire_time", expire_after_seconds=_KEPT_SECONDS),),
        )
        self.revocations: Collection[Revocation] = Collection(
            database,
            "revocations",
            Revocation,
            kind="revocation",
            indexes=(Index("until_time", expire_after_seconds=0),),
        )
        self.api_tokens = api_token_store.collection(database)
        self.guards: Collection[Guard] = Collection(database, "guards", Guard, kind="guard")
        self.factors = factors(database)
        self.spent_challenges = spent_challenges(database)
        self.factor_policies = factor_policies(database)
        self.oidc_links = oidc_links(database)

    async def ensure(self) -> None:
        """Make the collections and their indexes."""
        await asyncio.gather(
            self.users.ensure(),
            self.sessions.ensure(),
            self.endings.ensure(),
            self.cluster_identities.ensure(),
            self.credentials.ensure(),
            self.revocations.ensure(),
            self.api_tokens.ensure(),
            self.guards.ensure(),
            self.factors.ensure(),
            self.spent_challenges.ensure(),
            self.factor_policies.ensure(),
            self.oidc_links.ensure(),
        )

    async def admins(self, transaction: Transaction | None = None) -> list[User]:
        """The users who can log in and administer."""
        return await self.users.find_all(scope=ROOT, enabled_admin=True, session=transaction)

    async def user_called(self, name: str) -> User | None:
        """The user with this name, in any letter case."""
        return await self.users.find_one(scope=ROOT, name_folded=folded(name))

    async def living_revocations(self) -> list[Revocation]:
        """Those that still matter; as many as sessions were ended within the life of their tokens."""
        now = datetime.now(UTC)
        return [found for found in await self.revocations.find_all(scope=ROOT) if found.until_time > now]

    async def forget_ending(self, ending: Ending) -> None:
        """An ending was carried out, perhaps by two at once."""
        with contextlib.suppress(NotFound):
            await self.endings.delete(ending.id)

    async def forget_factors(self, user_id: str, transaction: Transaction) -> None:
        """A user's second factors go; there may be none. The document stays, so that its id can be written again."""
        if await self.factors.find(user_id, session=transaction) is not None:
            await self.factors.change(
                user_id, lambda old: Factors(id=user_id, create_time=old.create_time), session=transaction
            )
