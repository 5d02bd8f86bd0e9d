"""API tokens as they are kept.

api_tokens   secrets with which programs act for a user   scope "-"   the id follows from the secret's hash; unique by
                                                                       owner and name; gone a month after their end
"""

from datetime import datetime

from cloudly_kit.store import Collection, Database, Document, Index

_KEPT_SECONDS = 30 * 86_400
"""A token that has run out stays in the lists so long, so that its owner sees why a program stopped."""


class ApiToken(Document):
    """One token; the secret itself is known to its holder alone."""

    owner_id: str
    name: str
    secret_hash: str
    roles: list[str]
    permissions: list[str] = []
    cluster_ids: list[str] = []
    workload_ids: list[str] = []
    repositories: list[str] = []
    expire_time: datetime | None = None
    last_use_time: datetime | None = None
    last_use_address: str = ""


def collection(database: Database) -> Collection[ApiToken]:
    """The collection of API tokens."""
    return Collection(
        database,
        "api_tokens",
        ApiToken,
        kind="API token",
        indexes=(
            Index("scope", "owner_id", "name", unique=True),
            Index("expire_time", expire_after_seconds=_KEPT_SECONDS),
        ),
        orderable=("name",),
        filterable=("name",),
    )
