"""Copies of blobs: fetched once however many ask, sent on to clients while they are stored.

Each client that is there from the beginning has a short queue; one that is slower than the source loses it, and reads the
rest from the store when that has all. The last bytes are sent on only once the digest has proved right, so nobody gets the
whole of something wrong.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence

import structlog
from cloudly_kit.errors import Unavailable
from prometheus_client import Counter

from cloudly_registry.errors import BlobUnknown, DigestInvalid, OciError, ServiceUnavailable
from cloudly_registry.images import Images
from cloudly_registry.pull_through.asking import Asking
from cloudly_registry.pull_through.sources import Source, UpstreamMissing, as_oci
from cloudly_registry.references import algorithm_of
from cloudly_registry.uploads import Uploads
from cloudly_registry.upstream import UpstreamError, UpstreamUnreachable

log = structlog.get_logger()

_BATCH = 1 << 20
_QUEUE = 8
_AT_ONCE = 32

FETCHED = Counter("cloudly_registry_fetched_bytes_total", "Bytes of blobs fetched from external registries.")


class Reader:
    """One client's place in a fetch."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Sequence[bytes] | None] = asyncio.Queue(_QUEUE + 1)
        self.behind = False

    def give(self, batch: Sequence[bytes]) -> None:
        """Hand a batch on, if there is room."""
        if self._queue.qsize() < _QUEUE and not self.behind:
            self._queue.put_nowait(batch)
        else:
            self.end()

    def end(self) -> None:
        """Nothing more comes this way."""
        if not self.behind:
            self.behind = True
            self._queue.put_nowait(None)

    async def batches(self) -> AsyncIterator[Sequence[bytes]]:
        """From the beginning on without a gap, perhaps not to the end."""
        while (batch := await self._queue.get()) is not None:
            yield batch


class Fetch:
    """A blob on its way."""

    def __init__(self) -> None:
        self.size: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        """Of the whole, once the source has told it; 0 where it does not tell."""
        self.stored: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """The id of the image that has it then."""
        self._readers: list[Reader] = []
        self._begun = False
        self._held: Sequence[bytes] = ()

    def reader(self) -> Reader | None:
        """A place in it; None where it is too late to have all of it this way."""
        if self._begun:
            return None
        reader = Reader()
        self._readers.append(reader)
        return reader

    def passed_on(self, batch: Sequence[bytes]) -> None:
        """Send the batch before this one on, and hold this one back."""
        self._begun = True
        for reader in self._readers:
            if self._held:
                reader.give(self._held)
        self._held = batch

    def ended(self, image_id: str) -> None:
        """It is stored and right: the last batch may go."""
        self.passed_on(())
        self.stored.set_result(image_id)
        self._end()

    def failed(self, error: OciError) -> None:
        """It is not."""
        for future in (self.size, self.stored):
            if not future.done():
                future.set_exception(error)
                future.exception()  # whoever waits is told; nobody has to
        self._end()

    def _end(self) -> None:
        for reader in self._readers:
            reader.end()


class Fetches:
    """Blobs of all sources."""

    def __init__(self, images: Images, uploads: Uploads, asking: Asking) -> None:
        self._images = images
        self._uploads = uploads
        self._asking = asking
        self._running: dict[tuple[str, str], Fetch] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(_AT_ONCE)

    def join(self, source: Source, name: str, digest: str) -> Fetch:
        """The fetch of a blob, begun if it is not running. It goes on when who asked goes away."""
        key = (name, digest)
        fetch = self._running.get(key)
        if fetch is None:
            fetch = self._running[key] = Fetch()
            task = asyncio.create_task(self._run(fetch, source, name, digest))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return fetch

    async def size(self, source: Source, digest: str) -> int:
        """How large a blob is that is not here.

        Raises:
            BlobUnknown, Denied, TooManyRequests, ServiceUnavailable: as the source is.
        """
        try:
            async with self._asking.request(source, "HEAD", "blobs", digest) as answer:
                return answer.content_length or 0
        except UpstreamError as error:
            raise _as_oci(error, digest) from error

    async def _run(self, fetch: Fetch, source: Source, name: str, digest: str) -> None:
        try:
            async with self._places:
                image_id = await self._fetch(fetch, source, name, digest)
            fetch.ended(image_id)
        except UpstreamError as error:
            log.warning("registry.fetch_failed", repository=name, digest=digest, error=str(error))
            fetch.failed(_as_oci(error, digest))
        except Unavailable as error:  # our own database or object store
            log.warning("registry.fetch_failed", repository=name, digest=digest, error=str(error))
            fetch.failed(ServiceUnavailable(error.message))
        except Exception as error:
            log.exception("registry.fetch_failed", repository=name, digest=digest)
            fetch.failed(OciError(f"the blob could not be fetched: {type(error).__name__}"))
        finally:
            fetch.failed(OciError("the registry stops: try again", status=503))
            del self._running[name, digest]

    async def _fetch(self, fetch: Fetch, source: Source, name: str, digest: str) -> str:
        async with self._asking.request(source, "GET", "blobs", digest) as answer:
            fetch.size.set_result(answer.content_length or 0)
            image_id = await self._images.id_of_copy(name, source.registry_id, source.keep_days)
            upload = await self._uploads.start(image_id, algorithm_of(digest))
            try:
                await self._uploads.finish(upload, digest, 0, _batches(fetch, answer.content.iter_any()))
            except DigestInvalid as error:
                raise UpstreamUnreachable(f"{source.server} sends other bytes than {digest}") from error
            except BaseException:
                await self._uploads.cancel(upload)
                raise
            return image_id


async def _batches(fetch: Fetch, pieces: AsyncIterator[bytes]) -> AsyncIterator[Sequence[bytes]]:
    batch: list[bytes] = []
    size = 0
    async for piece in pieces:
        batch.append(piece)
        size += len(piece)
        if size >= _BATCH:
            fetch.passed_on(batch)
            FETCHED.inc(size)
            yield batch
            batch, size = [], 0
    if batch:
        fetch.passed_on(batch)
        FETCHED.inc(size)
        yield batch


def _as_oci(error: UpstreamError, digest: str) -> OciError:
    return BlobUnknown(digest) if isinstance(error, UpstreamMissing) else as_oci(error, digest)
