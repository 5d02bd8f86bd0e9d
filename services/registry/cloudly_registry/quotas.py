"""Quotas: how many bytes a repository may hold.

What counts is what its manifests refer to, shared blobs once; a push of a manifest checks that exactly. Before that,
bytes are refused as soon as it is clear that they will not fit: what is being pushed counts for some minutes, so that
the layers of an image that fit one by one, but not together, are not all sent in vain. That much is known by each
replica for itself, from the bytes that come through it.
"""

import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from cloudly_registry.documents import ImageDocument
from cloudly_registry.errors import Denied
from cloudly_registry.references import is_digest
from cloudly_registry.store import RegistryStore

_LOOK_SECONDS = 5.0
"""How old the size of a repository may be to take bytes by it. None are refused by an old one."""
_PUSH_SECONDS = 600.0
"""How long bytes count that no manifest refers to yet."""
_REMEMBERED = 1000
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


def check_quota(image: ImageDocument, held_bytes: int) -> None:
    """Refuse what would take a repository, given as it would be then, beyond its quota; `held_bytes` is what it holds now.

    Raises:
        Denied: with the numbers.
    """
    if image.quota_bytes and image.size_bytes > image.quota_bytes:
        raise _denied(image.quota_bytes, held_bytes, image.size_bytes)


class Quotas:
    """Where repositories with a quota stand."""

    def __init__(self, store: RegistryStore) -> None:
        self._store = store
        self._standings: OrderedDict[str, _Standing] = OrderedDict()

    def allowance(self, image_id: str, length: int | None) -> "Allowance":
        """What a request may bring whose body has this length (None: it does not tell)."""
        standing = self._standings.get(image_id)
        if standing is None:
            standing = self._standings[image_id] = _Standing(self._store, image_id)
            if len(self._standings) > _REMEMBERED:
                self._standings.popitem(last=False)
        return Allowance(standing, length)


@dataclass(frozen=True)
class Allowance:
    """What one request may add to an upload."""

    _standing: "_Standing"
    _length: int | None

    async def bounded(
        self, upload_id: str, offset: int, digest: str, pieces: AsyncIterator[Sequence[bytes]]
    ) -> AsyncIterator[Sequence[bytes]]:
        """The pieces, as long as they fit, for an upload of `offset` bytes whose digest will be this one (empty: not
        known yet). None is asked for where the length tells that they will not.

        Raises:
            Denied: they do not fit.
        """
        try:
            await self._standing.admit(upload_id, offset + (self._length or 0), digest)
            async for batch in pieces:
                offset += sum(map(len, batch))
                if self._length is None:
                    await self._standing.admit(upload_id, offset, digest)
                yield batch
        except BaseException:
            self.forget(upload_id)  # who begins anew does not find the room taken
            raise

    def forget(self, upload_id: str) -> None:
        """The upload is gone."""
        self._standing.forget(upload_id)

    def finished(self, upload_id: str, digest: str, size: int) -> None:
        """The upload has become a blob."""
        self._standing.finished(upload_id, digest, size)


class _Standing:
    """What a repository holds, and what is on its way into it."""

    def __init__(self, store: RegistryStore, image_id: str) -> None:
        self._store = store
        self._image_id = image_id
        self._quota = self._held = 0
        self._looked = float("-inf")
        self._coming: dict[str, tuple[int, float]] = {}
        """Of each upload, or of each digest that no manifest is known to refer to, its bytes and since when they count."""

    async def admit(self, upload_id: str, size: int, digest: str) -> None:
        self._coming[upload_id] = size, time.monotonic()
        if time.monotonic() - self._looked > _LOOK_SECONDS:
            await self._look()
        if self._fits():
            return
        await self._look()
        if self._fits():
            return
        link = await self._store.link(self._image_id, digest) if digest else None
        self.forget(upload_id)
        if link is None:
            raise _denied(self._quota, self._held, self._held + self._coming_bytes() + size)

    def finished(self, upload_id: str, digest: str, size: int) -> None:
        self.forget(upload_id)
        self._coming[digest] = size, time.monotonic()

    def forget(self, upload_id: str) -> None:
        self._coming.pop(upload_id, None)

    def _fits(self) -> bool:
        return not self._quota or self._held + self._coming_bytes() <= self._quota

    def _coming_bytes(self) -> int:
        return sum(size for size, _ in self._coming.values())

    async def _look(self) -> None:
        # The size before the references: what a push adds in between counts nowhere for a moment, and never twice.
        image = await self._store.images.find(self._image_id)
        referred = await self._store.referred_to(self._image_id, filter(is_digest, self._coming))
        old = time.monotonic() - _PUSH_SECONDS
        self._coming = {key: (n, at) for key, (n, at) in self._coming.items() if key not in referred and at > old}
        self._quota, self._held = (image.quota_bytes, image.size_bytes) if image else (0, 0)
        self._looked = time.monotonic()


def _denied(quota: int, held: int, wanted: int) -> Denied:
    return Denied(
        f"the repository holds {_text(held)} and its quota is {_text(quota)}; with this push it would hold {_text(wanted)}: "
        "delete versions, or have the quota raised",
        {"quotaBytes": quota, "heldBytes": held, "wantedBytes": wanted},
    )


def _text(size: float) -> str:
    unit = 0
    while size >= 1024 and unit + 1 < len(_UNITS):
        size, unit = size / 1024, unit + 1
    return f"{size:.{2 if unit else 0}f} {_UNITS[unit]}"
