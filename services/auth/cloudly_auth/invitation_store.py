"""The collection of one-time links. Found by id (it is in the link) or by the name they are for."""

from datetime import datetime
from typing import Literal

from cloudly_kit.store import Choice, Collection, Database, Document, Index
from cloudly_kit.store import Session as Transaction

from cloudly_auth.store import ROOT

_KEPT_SECONDS = 30 * 86_400
"""So long after its end a link is still listed."""


class Invitation(Document):
    """A link that was issued: an invitation, or a reset link of a user."""

    kind: Literal["invite", "reset"]
    name: str
    name_folded: str
    roles: list[str]
    email: str = ""
    secret_hash: str = ""
    user_id: str = ""
    invited_by: str = ""
    state: Literal["pending", "accepted", "revoked"] = "pending"
    expire_time: datetime
    accept_time: datetime | None = None


class InvitationStore:
    """The collection."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.invitations: Collection[Invitation] = Collection(
            database,
            "invitations",
            Invitation,
            kind="invitation",
            indexes=(
                Index("scope", "name_folded"),
                Index("expire_time", expire_after_seconds=_KEPT_SECONDS),
            ),
            orderable=("expire_time",),
            filterable={
                "name": "name",
                "kind": Choice("kind", {"INVITE": "invite", "RESET": "reset"}),
                "user_id": "user_id",
            },
        )

    async def ensure(self) -> None:
        """Make the collection and its indexes."""
        await self.invitations.ensure()

    async def pending_of(self, name_folded: str, transaction: Transaction) -> list[Invitation]:
        """The links for a name that were not used."""
        found = await self.invitations.find_all(scope=ROOT, name_folded=name_folded, session=transaction)
        return [one for one in found if one.state == "pending"]
