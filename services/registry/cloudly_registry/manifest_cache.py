"""What this process remembers of manifests: bytes by digest, which never change, and which repository has which."""

import time
from collections import OrderedDict

from cloudly_kit.hints import Hints

_BODY_BYTES = 64 << 20
_ROWS = 50_000
_ROW_SECONDS = 60.0


class ManifestCache:
    """Bounded; what another replica deletes is forgotten by a hint, or after a minute where the hint is lost."""

    HINT = "registry.manifest"
    """The hint that a manifest was deleted; the payload is `<image>/<digest>`."""

    def __init__(self, hints: Hints) -> None:
        self._hints = hints
        self._bodies: OrderedDict[str, bytes] = OrderedDict()
        self._held = 0
        self._rows: dict[str, tuple[str, float]] = {}

    def body(self, digest: str) -> bytes | None:
        """The bytes of a manifest, whichever repository it is in."""
        body = self._bodies.get(digest)
        if body is not None:
            self._bodies.move_to_end(digest)
        return body

    def keep(self, digest: str, body: bytes) -> None:
        """Remember the bytes of a manifest."""
        if digest not in self._bodies:
            self._bodies[digest] = body
            self._held += len(body)
        while self._held > _BODY_BYTES:
            self._held -= len(self._bodies.popitem(last=False)[1])

    def media_type(self, image_id: str, digest: str) -> str:
        """The media type of a manifest that the repository has; empty when that is not known here."""
        known = self._rows.get(f"{image_id}/{digest}")
        return known[0] if known and known[1] > time.monotonic() else ""

    def remember(self, image_id: str, digest: str, media_type: str) -> None:
        """Remember that the repository has a manifest."""
        if len(self._rows) >= _ROWS:
            self._rows.clear()
        self._rows[f"{image_id}/{digest}"] = media_type, time.monotonic() + _ROW_SECONDS

    def forget(self, image_id: str, digest: str) -> None:
        """The repository has it no more."""
        self._rows.pop(f"{image_id}/{digest}", None)

    async def follow(self) -> None:
        """Forget what other replicas deleted, for ever."""
        async for name in self._hints.subscribe(self.HINT):
            if name:
                self._rows.pop(name, None)
            else:
                self._rows.clear()
