"""What is kept of second factors: one document a user, so that a code, a recovery code or a sign counter is used by one
compare-and-set.

factors            a user's second factors             scope "-"    the id is the user's
spent_challenges   challenges that were answered       scope "-"    the id follows from the challenge; gone with its time
factor_policies    who must have a second factor       scope "-"    one document
"""

from datetime import datetime
from typing import Annotated

from cloudly_kit.crypto import Sealed
from cloudly_kit.sealed_fields import SealedFor
from cloudly_kit.store import Collection, Database, Document, Index, now
from pydantic import BaseModel, Field

POLICY = "policy"
TOTP = SealedFor("totp:{id}")


class Passkey(BaseModel):
    """A WebAuthn credential (WebAuthn Level 3 §4, "credential record")."""

    id: str
    name: str
    credential_id: bytes
    public_key: bytes
    sign_count: int = 0
    """As the authenticator last told it; 0 for ever where it does not count."""
    transports: list[str] = []
    backed_up: bool = False
    create_time: datetime = Field(default_factory=now)
    last_use_time: datetime | None = None


class Factors(Document):
    """The second factors of the user with this id."""

    totp: Annotated[Sealed | None, TOTP] = None
    """The secret of the authenticator app."""
    totp_time: datetime | None = None
    """Since when it counts."""
    totp_step: int = 0
    """The last time step (RFC 6238 §4.2) whose code was used; that code and earlier ones are refused (§5.2)."""
    pending_totp: Annotated[Sealed | None, TOTP] = None
    """A secret that no code has been seen of."""
    pending_until: datetime | None = None
    passkeys: list[Passkey] = []
    recovery_hashes: list[str] = []

    @property
    def enrolled(self) -> bool:
        """Whether logins ask for a second factor. Recovery codes alone are none: they stand in for one."""
        return self.totp is not None or bool(self.passkeys)


class SpentChallenge(Document):
    """A challenge that was answered and is worth nothing any more."""

    expire_time: datetime


class FactorPolicy(Document):
    """Who must have a second factor."""

    required_for_all: bool = False
    required_roles: list[str] = []


def factors(database: Database) -> Collection[Factors]:
    """The second factors by user."""
    return Collection(database, "factors", Factors, kind="second factor")


def spent_challenges(database: Database) -> Collection[SpentChallenge]:
    """The challenges that were answered and whose time is not over."""
    return Collection(
        database,
        "spent_challenges",
        SpentChallenge,
        kind="challenge",
        indexes=(Index("expire_time", expire_after_seconds=60),),
    )


def factor_policies(database: Database) -> Collection[FactorPolicy]:
    """The one policy."""
    return Collection(database, "factor_policies", FactorPolicy, kind="factor policy")
