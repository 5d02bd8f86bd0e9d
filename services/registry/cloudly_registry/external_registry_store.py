"""The documents of external registries.

external_registries   scope "-"   one an external registry; its password sealed
"""

from datetime import datetime
from typing import Annotated

from cloudly_kit.crypto import Sealed
from cloudly_kit.sealed_fields import SealedFor
from cloudly_kit.store import Collection, Database, Document, Index

PASSWORD = SealedFor("registry.external_registries/{id}")


class ExternalRegistryDocument(Document):
    """An external registry."""

    name: str
    description: str = ""
    type: str = "EXTERNAL_REGISTRY_TYPE_DOCKER"
    url: str
    server: str
    username: str = ""
    password: Annotated[Sealed | None, PASSWORD] = None
    is_default: bool = False
    status: str = "EXTERNAL_REGISTRY_STATUS_UNKNOWN"
    last_error: str = ""
    check_time: datetime | None = None
    cache_prefix: str = ""
    cache_ttl_seconds: int = 0
    cache_days: int = 0


class ExternalRegistryStore(Collection[ExternalRegistryDocument]):
    """The collection."""

    def __init__(self, database: Database) -> None:
        super().__init__(
            database,
            "external_registries",
            ExternalRegistryDocument,
            kind="external registry",
            indexes=[Index("scope", "name", unique=True), Index("scope", "server")],
            orderable=["name", "create_time"],
            filterable=["name", "server", "type", "status"],
        )

    async def cached(self) -> list[ExternalRegistryDocument]:
        """Those that are pulled through; there are few."""
        return [one for one in await self.find_all(scope="-") if one.cache_prefix]

    async def of_server(self, server: str) -> list[ExternalRegistryDocument]:
        """Those of a server that images come from, the one to use first."""
        found = await self.find_all(scope="-", server=server, type="EXTERNAL_REGISTRY_TYPE_DOCKER")
        return sorted(found, key=lambda one: (not one.is_default, one.create_time, one.id))

    async def named(self, name: str) -> ExternalRegistryDocument | None:
        """The one with this name."""
        return await self.find_one(scope="-", name=name)
