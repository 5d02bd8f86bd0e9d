"""Copies of manifests and tags: compared with the source when they may be old, served as they are when it is away."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import structlog
from cloudly_kit.store import now
from prometheus_client import Counter

from cloudly_registry.errors import ManifestUnknown
from cloudly_registry.images import Images
from cloudly_registry.manifest_format import ACCEPTED, MAX_MANIFEST_BYTES
from cloudly_registry.manifests import Manifests, Stored
from cloudly_registry.pull_through.asking import Asking
from cloudly_registry.pull_through.sources import Source, as_oci
from cloudly_registry.references import algorithm_of, digest_of, is_digest
from cloudly_registry.store import RegistryStore
from cloudly_registry.upstream import UpstreamError, UpstreamLimited, UpstreamUnreachable

log = structlog.get_logger()
T = TypeVar("T")

COPIER = "pull-through cache"
_TOUCHED_AFTER = timedelta(days=1)
"""How exactly it is known when a tag was last used, which retention goes by: one write a day."""
_REMEMBERED = 20_000

ASKED = Counter("cloudly_registry_copies_total", "Manifests asked of the pull-through cache.", ["outcome"])


class Copies:
    """Manifests of all sources."""

    def __init__(
        self,
        store: RegistryStore,
        images: Images,
        manifests: Manifests,
        asking: Asking,
    ) -> None:
        self._store = store
        self._images = images
        self._manifests = manifests
        self._asking = asking
        self._flights = Flights()
        self._checked: dict[tuple[str, str], float] = {}

    async def manifest(self, source: Source, name: str, reference: str) -> tuple[Stored, bool]:
        """A manifest, and whether it may be out of date because the source does not answer.

        Raises:
            ManifestUnknown, Denied, TooManyRequests, ServiceUnavailable: as the source is.
        """
        local = await self._local(name, reference)
        if local is not None and (is_digest(reference) or self._is_fresh(source, name, reference)):
            ASKED.labels("here").inc()
            return local, False
        try:
            found = await self._flights.join(
                (name, reference), lambda: self._revalidated(source, name, reference, local)
            )
        except (UpstreamLimited, UpstreamUnreachable) as error:
            if local is None:
                ASKED.labels("failed").inc()
                raise as_oci(error, reference) from error
            ASKED.labels("stale").inc()
            log.warning("registry.copy_is_stale", repository=name, reference=reference, error=str(error))
            return local, True
        except UpstreamError as error:
            ASKED.labels("failed").inc()
            raise as_oci(error, reference) from error
        ASKED.labels("asked").inc()
        return found, False

    async def _local(self, name: str, reference: str) -> Stored | None:
        image_id = await self._images.id_of(name)
        try:
            return await self._manifests.get(image_id, reference) if image_id else None
        except ManifestUnknown:
            return None

    def _is_fresh(self, source: Source, name: str, reference: str) -> bool:
        checked = self._checked.get((name, reference))
        return checked is not None and time.monotonic() - checked < source.ttl_seconds

    async def _revalidated(self, source: Source, name: str, reference: str, local: Stored | None) -> Stored:
        if local is not None and await self._is_same(source, reference, local):
            await self._touch(name, reference, local)
        else:
            media_type, digest, body = await self._get(source, reference)
            image_id = await self._images.id_of_copy(name, source.registry_id, source.keep_days)
            tag = "" if is_digest(reference) else reference
            local = await self._manifests.keep_copy(image_id, digest, media_type, body, tag, COPIER)
            log.info("registry.copied", repository=name, reference=reference, digest=digest, source=source.server)
        if len(self._checked) >= _REMEMBERED:
            self._checked.clear()
        self._checked[name, reference] = time.monotonic()
        return local

    async def _is_same(self, source: Source, reference: str, local: Stored) -> bool:
        headers = {"Accept": ACCEPTED, "If-None-Match": f'"{local.digest}"'}
        async with self._asking.request(source, "HEAD", "manifests", reference, headers) as answer:
            return answer.status == 304 or answer.headers.get("Docker-Content-Digest") == local.digest

    async def _get(self, source: Source, reference: str) -> tuple[str, str, bytes]:
        async with self._asking.request(source, "GET", "manifests", reference, {"Accept": ACCEPTED}) as answer:
            body = bytearray()
            async for piece in answer.content.iter_any():
                body += piece
                if len(body) > MAX_MANIFEST_BYTES:
                    raise UpstreamUnreachable(
                        f"{source.server} sends a manifest larger than {MAX_MANIFEST_BYTES} bytes"
                    )
            told = reference if is_digest(reference) else answer.headers.get("Docker-Content-Digest", "")
            digest = digest_of(bytes(body), algorithm_of(told) if told else "sha256")
            if told not in ("", digest):
                raise UpstreamUnreachable(f"{source.server} sends {digest} where it says {told}")
            return answer.headers.get("Content-Type", ""), digest, bytes(body)

    async def _touch(self, name: str, tag: str, local: Stored) -> None:
        image_id = await self._images.id_of(name)
        row = await self._store.tag(image_id, tag)
        if row is not None and row.version.push_time < now() - _TOUCHED_AFTER:
            await self._manifests.keep_copy(image_id, local.digest, local.media_type, local.body, tag, COPIER)


class Flights:
    """Work that several ask for at the same time is done once; it goes on when who asked first goes away."""

    def __init__(self) -> None:
        self._flying: dict[tuple[str, str], asyncio.Task[Stored]] = {}

    async def join(self, key: tuple[str, str], work: Callable[[], Awaitable[Stored]]) -> Stored:
        """What the work comes to, or raises."""
        task = self._flying.get(key)
        if task is None:
            task = self._flying[key] = asyncio.ensure_future(_awaited(work))
            task.add_done_callback(lambda _: self._flying.pop(key, None))
        return await asyncio.shield(task)


async def _awaited(work: Callable[[], Awaitable[T]]) -> T:
    return await work()
