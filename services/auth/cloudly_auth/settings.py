"""Settings: read masked, written whole or not at all, told to their owners. The values are sealed where they lie."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from cloudly.auth.v1 import setting_pb2
from cloudly_kit.crashpoint import crashpoint
from cloudly_kit.crypto import Envelope
from cloudly_kit.errors import InvalidArgument, NotFound, StaleEtag
from cloudly_kit.outbox import Outbox
from cloudly_kit.store import Session, now

from cloudly_auth.events import settings_topic
from cloudly_auth.setting_keys import MASK, SETTING_KEYS, SettingKey, owned_by, shown
from cloudly_auth.setting_values import faults, tidy
from cloudly_auth.settings_store import SETTING, SettingDocument, SettingsStore

log = structlog.get_logger()


@dataclass(frozen=True)
class Setting:
    """A setting as readers see it."""

    known: SettingKey
    set: bool = False
    shown: str = ""
    etag: str = ""
    change_time: datetime | None = None
    changed_by: str = ""


@dataclass(frozen=True)
class Wish:
    """A setting's new value; empty clears it."""

    key: str
    value: str = field(repr=False)
    etag: str = ""
    place: str = ""
    """Where the value stands in the request, for the violations."""


class Settings:
    """The rules of settings."""

    def __init__(self, store: SettingsStore, envelope: Envelope, outbox: Outbox) -> None:
        self._store = store
        self._envelope = envelope
        self._outbox = outbox

    async def all(self) -> list[Setting]:
        """All settings there are, in the order of the table."""
        stored = await self._store.all()
        return [self._shown(known, stored.get(known.key)) for known in SETTING_KEYS.values()]

    async def get(self, key: str) -> Setting:
        """One setting.

        Raises:
            NotFound: there is no such key.
        """
        known = SETTING_KEYS.get(key)
        if known is None:
            raise NotFound("setting", key)
        return self._shown(known, await self._store.settings.find(key))

    async def owned(self, service: str) -> dict[str, str]:
        """The plain values of what a service owns and what is set."""
        stored = await self._store.all()
        return {
            known.key: plain for known in owned_by(service) if (plain := self._plain(known.key, stored.get(known.key)))
        }

    async def update(self, wishes: Sequence[Wish], by: str) -> list[Setting]:
        """Write all values or none, and tell the owners of what changed in the same transaction.

        A secret whose masked form is sent back as it was read stays as it is.

        Raises:
            InvalidArgument: unknown or repeated keys, malformed values; all of them are listed.
            StaleEtag: one was changed since it was read.
        """
        _check(wishes)
        time = now()

        async def work(session: Session) -> list[Setting]:
            changed: list[str] = []
            settings: list[Setting] = []
            for wish in wishes:
                known = SETTING_KEYS[wish.key]
                document, differs = await self._write(known, wish, by, time, session)
                settings.append(self._shown(known, document))
                if differs:
                    changed.append(known.key)
            for owner in sorted({owner for key in changed for owner in SETTING_KEYS[key].owners}):
                keys = [key for key in changed if owner in SETTING_KEYS[key].owners]
                await self._outbox.put(settings_topic(owner), setting_pb2.SettingsChanged(keys=keys), session=session)
            if changed:
                session.after_commit(lambda: log.info("settings.changed", keys=changed, by=by))
            return settings

        crashpoint("auth.settings.update.before_write")
        settings = await self._store.database.transaction(work)
        crashpoint("auth.settings.update.after_write")
        return settings

    async def _write(
        self, known: SettingKey, wish: Wish, by: str, time: datetime, session: Session
    ) -> tuple[SettingDocument | None, bool]:
        found = await self._store.settings.find(known.key, session=session)
        if wish.etag and wish.etag != (found.etag if found else ""):
            raise StaleEtag("setting", known.key, found.etag if found else "")
        before = self._plain(known.key, found)
        value = tidy(known, wish.value)
        if value == before or (before and known.secret and value == shown(known, before)):
            return found, False
        if known.secret and value.startswith(MASK):
            message = "is the masked form of another value; send the secret itself, or leave it out to keep what is set"
            raise InvalidArgument.of((_place(wish, ""), message))
        sealed = self._envelope.seal(value.encode(), SETTING.context(id=known.key)) if value else None
        wished = found or SettingDocument(id=known.key, change_time=time)
        wished = wished.model_copy(update={"sealed": sealed, "change_time": time, "changed_by": by})
        if found is None:
            made, _ = await self._store.settings.insert(wished, session=session)
            return made, True
        return await self._store.settings.replace(wished, session=session), True

    def _plain(self, key: str, document: SettingDocument | None) -> str:
        if document is None or document.sealed is None:
            return ""
        return self._envelope.open(document.sealed, SETTING.context(id=key)).decode()

    def _shown(self, known: SettingKey, document: SettingDocument | None) -> Setting:
        if document is None:
            return Setting(known)
        plain = self._plain(known.key, document)
        return Setting(
            known,
            set=bool(plain),
            shown=shown(known, plain) if plain else "",
            etag=document.etag,
            change_time=document.change_time,
            changed_by=document.changed_by,
        )


def _check(wishes: Sequence[Wish]) -> None:
    """All faults that can be told without what is stored, together.

    A value that could be the masked form of the stored one is judged later, beside it.
    """
    wrong: list[tuple[str, str]] = []
    seen: set[str] = set()
    for wish in wishes:
        known = SETTING_KEYS.get(wish.key)
        if known is None:
            wrong.append((wish.place or wish.key, f"there is no setting {wish.key!r}; ListSettings names all"))
        elif wish.key in seen:
            wrong.append((_place(wish, ""), "is in the request twice"))
        else:
            value = tidy(known, wish.value)
            if value and not (known.secret and value.startswith(MASK)):
                wrong += [(_place(wish, inside), text) for inside, text in faults(known, value)]
        seen.add(wish.key)
    if wrong:
        raise InvalidArgument.of(*wrong)


def _place(wish: Wish, inside: str) -> str:
    return f"{wish.place or wish.key}{inside}"
