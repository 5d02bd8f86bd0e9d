"""The collection of settings: one document for each key that was ever set, the value sealed. See setting_keys.py."""

from datetime import datetime
from typing import Annotated

from cloudly_kit.crypto import Sealed
from cloudly_kit.sealed_fields import SealedFor
from cloudly_kit.store import Collection, Database, Document

ROOT = "-"
SETTING = SealedFor("setting:{id}")


class SettingDocument(Document):
    """A setting; the id is its key. It is never deleted: a cleared one has no value, and nothing of the old is kept."""

    sealed: Annotated[Sealed | None, SETTING] = None
    change_time: datetime
    changed_by: str = ""


class SettingsStore:
    """The collection."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.settings: Collection[SettingDocument] = Collection(database, "settings", SettingDocument, kind="setting")

    async def ensure(self) -> None:
        """Make the collection."""
        await self.settings.ensure()

    async def all(self) -> dict[str, SettingDocument]:
        """What was ever set, by key; never more than there are keys."""
        return {found.id: found for found in await self.settings.find_all(scope=ROOT)}
