"""The collections of backups: documents, indexes, queries.

policies     scope "-"          one a policy: its schedule, its workloads, how many backups it keeps
due_slots    scope policy id    one a slot of a schedule that has come; the id is `<policy id>@<slot>`
"""

from datetime import datetime

from cloudly_kit.store import Collection, Database, Document, Index


class PolicyDocument(Document):
    """A policy. `planned_time` moves with every slot; `wish_etag`, which people compare, only with their changes."""

    name: str
    wish_etag: str
    schedule: str
    workload_ids: list[str] = []
    keep_last: int
    enabled: bool = False
    planned_time: datetime
    """The latest slot that was planned, or had passed when the policy was made, enabled or given its schedule."""


class DueSlotDocument(Document):
    """A moment at which a policy wanted backups; written once, never changed."""

    slot_time: datetime
    workload_ids: list[str] = []
    """As the policy had them then; empty means all."""
    expire_time: datetime
    """When the database removes it."""


class BackupsStore:
    """All collections of backups."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.policies = Collection(
            database,
            "policies",
            PolicyDocument,
            kind="policy",
            indexes=[Index("scope", "name", unique=True)],
            orderable=("name", "create_time"),
            filterable=("name", "enabled"),
        )
        self.due_slots = Collection(
            database,
            "due_slots",
            DueSlotDocument,
            kind="due slot",
            indexes=[Index("expire_time", expire_after_seconds=0)],
            orderable=("slot_time",),
        )

    async def ensure(self) -> None:
        """Make indexes and run migrations."""
        for collection in (self.policies, self.due_slots):
            await collection.ensure()

    async def enabled_policies(self) -> list[PolicyDocument]:
        """The policies whose schedules run."""
        return await self.policies.find_all(scope="-", enabled=True)
