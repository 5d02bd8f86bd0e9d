"""Image records: one a repository, made by hand, for a workload, or by the first push."""

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

from cloudly_kit.errors import AlreadyExists, FailedPrecondition, InvalidArgument
from cloudly_kit.hints import Hints
from cloudly_kit.outbox import Outbox
from cloudly_kit.store import RequestKey, Session

from cloudly_registry import events
from cloudly_registry.documents import ImageDocument
from cloudly_registry.pins import Pins
from cloudly_registry.quarantine import Quarantine
from cloudly_registry.quotas import Allowance, Quotas
from cloudly_registry.references import checked_repository
from cloudly_registry.retention import RetentionRule
from cloudly_registry.store import RegistryStore

GONE = "registry.image"
"""The hint that a repository was deleted, or opened or closed to the public; the payload is its name."""

_REMEMBER_SECONDS = 30.0
_REMEMBERED = 10_000
_NAME_LENGTH = 40


@dataclass(frozen=True)
class _Known:
    """What each request has to know of its repository."""

    id: str
    public: bool
    has_quota: bool
    since: float
    """On the monotonic clock."""


class Images:
    """The records, and the way from a repository's name to its id."""

    def __init__(
        self, store: RegistryStore, pins: Pins, quarantine: Quarantine, outbox: Outbox, hints: Hints, quotas: Quotas
    ) -> None:
        self._store = store
        self._pins = pins
        self._quarantine = quarantine
        self._outbox = outbox
        self._hints = hints
        self._quotas = quotas
        self._known: dict[str, _Known] = {}

    async def create(self, image: ImageDocument, request: RequestKey | None) -> ImageDocument:
        """Make a record by hand.

        Raises:
            AlreadyExists: the name or the repository is taken.
        """
        image.repository = image.repository or f"images/{image.name}"
        created, _ = await self._store.images.insert(image, request=request)
        return created

    async def ensure_repository(self, repository: str, workload_id: str) -> ImageDocument:
        """The record of a workload's repository, made where it is missing.

        Raises:
            AlreadyExists: the repository belongs to another workload.
        """

        def claim(image: ImageDocument) -> ImageDocument | None:
            if image.workload_id and image.workload_id != workload_id:
                raise AlreadyExists("image", repository)
            if image.workload_id:
                return None
            image.workload_id = workload_id
            return image

        image = await self._made(repository, workload_id)
        return await self._store.images.change(image.id, claim)

    async def id_of(self, repository: str, seconds: float = _REMEMBER_SECONDS) -> str:
        """The id of a repository's record, as it was within the last `seconds`; empty when there is none."""
        known = await self._look_up(repository, seconds)
        return known.id if known else ""

    async def is_public(self, repository: str) -> bool:
        """Whether anyone may pull from a repository. May be some seconds old."""
        known = await self._look_up(repository)
        return known is not None and known.public

    async def id_for_push(self, repository: str) -> str:
        """The id of a repository's record, made by this push where it is missing."""
        return await self.id_of(repository) or self._remember(await self._made(repository, "")).id

    def allowance(self, repository: str, length: int | None) -> Allowance | None:
        """What a request may bring into a repository whose id was looked up before; None where it has no quota."""
        known = self._known.get(repository)
        return self._quotas.allowance(known.id, length) if known and known.has_quota else None

    async def id_of_copy(self, repository: str, external_registry_id: str, keep_days: int) -> str:
        """The id of the record of a repository that is a copy of an external registry's, made where it is missing."""

        def claim(image: ImageDocument) -> ImageDocument | None:
            if image.external_registry_id == external_registry_id:
                return None
            # A copied tag is as old as its last use (pull_through/copies.py).
            image.external_registry_id = external_registry_id
            image.retention = [RetentionRule(keep_days=keep_days)]
            return image

        known = await self.id_of(repository)
        if known:
            return known
        image = await self._made(repository, "")
        return self._remember(await self._store.images.change(image.id, claim)).id

    def forget(self, repository: str) -> None:
        """Look the repository up again next time."""
        self._known.pop(repository, None)

    async def update(self, image_id: str, fields: Mapping[str, object], etag: str) -> ImageDocument:
        """Change a record.

        Raises:
            NotFound, StaleEtag: as the store.
            AlreadyExists: the name is taken.
        """

        def mutate(found: ImageDocument) -> ImageDocument | None:
            changed = found.model_copy(update=dict(fields))
            if changed.public and changed.external_registry_id:
                raise FailedPrecondition(
                    "this is a copy of an external registry's image, pulled with its login: not for anyone"
                )
            return None if changed == found else changed

        image = await self._store.images.change(image_id, mutate, etag=etag)
        self.forget(image.repository)
        await self._hints.publish(GONE, image.repository)
        return image

    async def delete(self, image_id: str, etag: str, by: str) -> None:
        """Delete a repository with all that is in it; it can be restored until its quarantine ends.

        Raises:
            NotFound, StaleEtag: as the store.
            FailedPrecondition: a cluster runs one of its versions, or could go back to it.
        """
        image = await self._store.images.get(image_id)
        holder = await self._pins.holder(await self._store.manifest_digests(image_id))
        if holder:
            raise FailedPrecondition(f"the cluster {holder} runs a version of this image, or could go back to it")

        async def work(session: Session) -> None:
            found = await self._store.images.get(image_id, session=session)
            await self._quarantine.take_image(found, by, session)
            news = events.content_deleted(found, "deleted", by)
            await self._outbox.put(events.CONTENT_DELETED, news, session=session)
            await self._store.images.delete(image_id, etag=etag, session=session)

        await self._store.transaction(work)
        self.forget(image.repository)
        await self._hints.publish(GONE, image.repository)

    async def follow(self) -> None:
        """Forget what other replicas deleted or changed, for ever."""
        async for repository in self._hints.subscribe(GONE):
            if repository:
                self.forget(repository)
            else:
                self._known.clear()

    async def _look_up(self, repository: str, seconds: float = _REMEMBER_SECONDS) -> "_Known | None":
        known = self._known.get(repository)
        if known is not None and known.since + seconds > time.monotonic():
            return known
        self.forget(repository)
        image = await self._store.image_of(repository)
        return self._remember(image) if image else None

    def _remember(self, image: ImageDocument) -> "_Known":
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        known = _Known(image.id, image.public, image.quota_bytes > 0, time.monotonic())
        self._known[image.repository] = known
        return known

    async def _made(self, repository: str, workload_id: str) -> ImageDocument:
        checked_repository(repository)
        slug = _slug(repository)
        for attempt in range(10):
            found = await self._store.image_of(repository)
            if found is not None:
                return found
            image = ImageDocument(name=slug, repository=repository, workload_id=workload_id)
            if attempt:
                # Names are unique, and a/b and a-b would both be called a-b.
                image.name = f"{slug[: _NAME_LENGTH - 7]}-{image.id[:6]}"
            try:
                created, _ = await self._store.images.insert(image)
                return created
            except AlreadyExists:
                await asyncio.sleep(0.01 * attempt)  # another push of the same repository, or the name is taken
        raise InvalidArgument.of(("repository", "no free name was found for its image"))


def _slug(repository: str) -> str:
    """A resource name out of a repository: lowercase letters, digits and inner hyphens, starting with a letter."""
    text = re.sub(r"[^a-z0-9]+", "-", repository.removeprefix("images/")).strip("-")
    if not text[:1].isalpha():
        text = f"image-{text}"
    return text[:_NAME_LENGTH].strip("-")
