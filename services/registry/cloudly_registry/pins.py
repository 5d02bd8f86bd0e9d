"""Which digests must stay, as clusters tells it (decision 13: what is not known to be free is kept)."""

from collections.abc import Iterable, Sequence

from cloudly_kit.errors import AlreadyExists

from cloudly_registry.documents import PinDocument
from cloudly_registry.quarantine import Quarantine
from cloudly_registry.store import RegistryStore


class Pins:
    """What clusters run, or could go back to."""

    def __init__(self, store: RegistryStore, quarantine: Quarantine) -> None:
        self._store = store
        self._quarantine = quarantine

    async def set(self, cluster_id: str, digests: Sequence[str], revision: int) -> None:
        """Replace all pins of a cluster, unless a later revision was told already.

        What is pinned and in quarantine comes back: a rollback must find it.
        """
        await self._write(cluster_id, digests, revision)
        await self._quarantine.revive_pinned(digests)

    async def _write(self, cluster_id: str, digests: Sequence[str], revision: int) -> None:
        wanted = sorted(set(digests))

        def mutate(pins: PinDocument) -> PinDocument | None:
            if revision < pins.revision or (revision == pins.revision and wanted == pins.digests):
                return None
            pins.digests, pins.revision = wanted, revision
            return pins

        if await self._store.pins.find(cluster_id) is None:
            try:
                await self._store.pins.insert(PinDocument(id=cluster_id, digests=wanted, revision=revision))
                return
            except AlreadyExists:
                pass  # told twice at once: the later one of the two has to win
        await self._store.pins.change(cluster_id, mutate)

    async def holder(self, digests: Iterable[str]) -> str:
        """The id of a cluster that needs one of these digests; empty when none does."""
        return await self._store.pinned_by(digests)
