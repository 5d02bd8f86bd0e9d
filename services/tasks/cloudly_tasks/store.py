"""The collections of tasks: documents, indexes, queries. Executions and schedules are the kit's (cloudly_kit.jobs).

service_health   scope "-"   one a service, under its name: does it serve, since when, as the last check saw it
"""

from datetime import datetime

from cloudly_kit.store import Collection, Database, Document


class ServiceHealthDocument(Document):
    """What the last check of a service saw."""

    serving: bool
    error: str = ""
    took_ms: int = 0
    check_time: datetime
    since_time: datetime
    """When it began to serve, or ceased to, as far as checks saw it."""


class TasksStore:
    """All collections of tasks."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.service_health = Collection(
            database, "service_health", ServiceHealthDocument, kind="service health", orderable=(), filterable=()
        )

    async def ensure(self) -> None:
        """Make indexes and run migrations."""
        await self.service_health.ensure()
