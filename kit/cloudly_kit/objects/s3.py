"""Objects in an S3 bucket. Imported only where S3 is configured: the client library is heavy."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from aioboto3.session import Session
from aiobotocore.config import AioConfig
from aiohttp import ClientError as ConnectionLost
from botocore.exceptions import BotoCoreError, ClientError

from cloudly_kit.config import ServiceSettings
from cloudly_kit.errors import NotFound, Unavailable
from cloudly_kit.objects.s3_upload import PartWriter, S3Upload, marker_of
from cloudly_kit.objects.store import CHUNK_BYTES, ObjectStat, checked_key

_READ_ATTEMPTS = 4
"""How often in a row a read that breaks off is taken up again without a byte of progress."""


@dataclass(frozen=True)
class S3Config:
    """Where the bucket is; `public_endpoint` is the store as clients reach it, empty when they cannot."""

    endpoint: str
    region: str
    bucket: str
    access_key: str
    secret_key: str = field(repr=False)
    public_endpoint: str = ""

    @classmethod
    def from_settings(cls, settings: ServiceSettings) -> "S3Config":
        """What the `S3_*` variables say."""
        return cls(
            endpoint=endpoint_url(settings.s3_endpoint, settings.s3_port, settings.s3_use_ssl),
            region=settings.s3_region,
            bucket=settings.s3_bucket,
            access_key=settings.s3_access_key,
            secret_key=settings.s3_secret_key.get_secret_value(),
            public_endpoint=settings.s3_public_endpoint,
        )


def endpoint_url(endpoint: str, port: int | None, use_ssl: bool) -> str:
    """The endpoint as a URL: it may be one, or, as in the seed, a host with port and TLS told beside it."""
    if "://" in endpoint:
        return endpoint
    return f"{'https' if use_ssl else 'http'}://{endpoint}" + (f":{port}" if port else "")


def connect(config: S3Config, endpoint: str, *, attempts: int = 3) -> Any:
    """A client of the library (boto's `s3`) as an asynchronous context manager; `attempts` counts the first try too."""
    session = _untyped(Session)(
        aws_access_key_id=config.access_key, aws_secret_access_key=config.secret_key, region_name=config.region
    )
    options = _untyped(AioConfig)(
        s3={"addressing_style": "path"},
        signature_version="s3v4",
        # Stores other than AWS refuse the checksums that the library adds by default.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        retries={"mode": "standard", "max_attempts": attempts},
        connect_timeout=5,
        read_timeout=60,
        max_pool_connections=64,
    )
    return session.client("s3", endpoint_url=endpoint, config=options)


class S3Store:
    """Replicas anywhere share the bucket; it is made when it is not there."""

    def __init__(self, config: S3Config) -> None:
        self.config = config
        self._stack = AsyncExitStack()
        self._client: Any = None  # the library makes its clients' methods at run time
        self._public_client: Any = None

    async def __aenter__(self) -> Self:
        """Open the clients and make sure of the bucket."""
        async with AsyncExitStack() as stack:
            self._client = await stack.enter_async_context(connect(self.config, self.config.endpoint))
            if self.config.public_endpoint:
                self._public_client = await stack.enter_async_context(connect(self.config, self.config.public_endpoint))
            try:
                await self.call("head_bucket")
            except NotFound:
                await self.call("create_bucket")
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the clients."""
        await self._stack.aclose()

    async def put(self, key: str, body: bytes | AsyncIterator[bytes]) -> ObjectStat:
        """See ObjectStore. S3 shows an object only when all of it has arrived."""
        writer = PartWriter(self, checked_key(key))
        try:
            if isinstance(body, bytes):
                await writer.write([body])
            else:
                async for piece in body:
                    await writer.write([piece])
            return await writer.finish()
        except BaseException:
            await writer.abort()
            raise

    async def begin_upload(self, key: str) -> None:
        """See ObjectStore."""
        await self.call("put_object", Key=marker_of(checked_key(key)), Body=b"")

    def open_upload(self, key: str) -> AbstractAsyncContextManager[S3Upload]:
        """See ObjectStore. S3 has no locks: of two requests at once, only the segments of one will count."""
        return self._opened(checked_key(key))

    async def uploads(self, prefix: str) -> AsyncIterator[ObjectStat]:
        """See ObjectStore."""
        for marker in await self.listed(marker_of(prefix)):
            key = marker.key.removeprefix(marker_of(""))
            segments = await self.listed(key + "/")
            yield ObjectStat(key, 0, max(found.modified for found in (marker, *segments)))

    async def sweep(self, before: datetime) -> int:
        """See ObjectStore: parts are in no list of objects, but cost as much."""
        aborted = 0
        position: dict[str, str] = {}
        while True:
            page = await self.call("list_multipart_uploads", **position)
            for unfinished in page.get("Uploads", []):
                if unfinished["Initiated"] < before:
                    await self.abort_parts(unfinished["Key"], unfinished["UploadId"])
                    aborted += 1
            if not page.get("IsTruncated"):
                return aborted
            position = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}

    async def get(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """See ObjectStore. A connection that breaks is taken up where it broke."""
        failures = 0
        if end is not None and start >= end:
            return
        while True:
            body: Any = None
            try:
                body, skip = await self._open_body(key, start, end)
                if body is None:
                    return
                async for piece in _limited(body, skip, None if end is None else end - start):
                    failures = 0
                    start += len(piece)
                    yield piece
                return
            except (BotoCoreError, ConnectionLost, OSError) as error:
                failures += 1
                if failures >= _READ_ATTEMPTS:
                    raise Unavailable("object store", f"reading breaks off: {type(error).__name__}") from error
                await asyncio.sleep(0.1 * 2**failures)
            finally:
                if body is not None:
                    body.close()

    async def stat(self, key: str) -> ObjectStat | None:
        """See ObjectStore."""
        try:
            found = await self.call("head_object", Key=checked_key(key))
        except NotFound:
            return None
        return ObjectStat(key, int(found["ContentLength"]), found["LastModified"])

    async def delete(self, key: str) -> None:
        """See ObjectStore."""
        await self.call("delete_object", Key=checked_key(key))

    async def list(self, prefix: str) -> AsyncIterator[ObjectStat]:
        """See ObjectStore."""
        async for found in self._pages(prefix):
            if not found.key.startswith("."):
                yield found

    async def listed(self, prefix: str) -> Sequence[ObjectStat]:
        """All objects whose keys begin with `prefix`, where they are few; also those that no store but this knows."""
        return [found async for found in self._pages(prefix)]

    async def _pages(self, prefix: str) -> AsyncIterator[ObjectStat]:
        token: dict[str, str] = {}
        while True:
            page = await self.call("list_objects_v2", Prefix=prefix, MaxKeys=1000, **token)
            for entry in page.get("Contents", []):
                modified: datetime = entry["LastModified"]
                yield ObjectStat(entry["Key"], int(entry["Size"]), modified)
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    async def presigned_get(self, key: str, ttl_seconds: int) -> str | None:
        """See ObjectStore."""
        if self._public_client is None:
            return None
        url: str = await self._public_client.generate_presigned_url(
            "get_object", Params={"Bucket": self.config.bucket, "Key": checked_key(key)}, ExpiresIn=ttl_seconds
        )
        return url

    def local_path(self, key: str) -> Path | None:
        """See ObjectStore."""
        checked_key(key)
        return None

    async def call(self, operation: str, **parameters: Any) -> Any:
        """One request to the bucket, with its failures in our words."""
        try:
            return await getattr(self._client, operation)(Bucket=self.config.bucket, **parameters)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in {"404", "NoSuchKey", "NoSuchBucket", "NotFound", "NoSuchUpload"}:
                raise NotFound("object", str(parameters.get("Key", self.config.bucket))) from error
            raise Unavailable("object store", f"the store answers {code}") from error
        except (BotoCoreError, ConnectionLost, OSError) as error:
            raise Unavailable("object store", f"the store fails: {type(error).__name__}") from error

    async def abort_parts(self, key: str, upload_id: str) -> None:
        """Free the parts of an unfinished multipart upload."""
        try:
            await self.call("abort_multipart_upload", Key=key, UploadId=upload_id)
        except NotFound:
            return

    async def _open_body(self, key: str, start: int, end: int | None) -> tuple[Any, int]:
        """The body from `start` on, and how many bytes of it to skip (some stores answer ranges with everything)."""
        wanted = (
            {} if start == 0 and end is None else {"Range": f"bytes={start}-" + ("" if end is None else str(end - 1))}
        )
        try:
            answer = await self._client.get_object(Bucket=self.config.bucket, Key=checked_key(key), **wanted)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in {"InvalidRange", "416"}:
                return None, 0  # nothing behind the end
            if code in {"404", "NoSuchKey", "NotFound"}:
                raise NotFound("object", key) from error
            raise Unavailable("object store", f"the store answers {code}") from error
        # Not the status: rclone answers a part with 200, but says which part it is.
        partial = str(answer.get("ContentRange", "")).startswith(f"bytes {start}-")
        return answer["Body"], 0 if partial else start

    @asynccontextmanager
    async def _opened(self, key: str) -> AsyncIterator[S3Upload]:
        upload = await S3Upload.found(self, key)
        try:
            yield upload
        finally:
            await upload.flush()


def _untyped(anything: Any) -> Any:
    """The library has no types; what it makes is Any, and stays in this file."""
    return anything


async def _limited(body: Any, skip: int, length: int | None) -> AsyncIterator[bytes]:
    async for piece in body.iter_chunks(CHUNK_BYTES):
        if skip >= len(piece):
            skip -= len(piece)
            continue
        useful = piece[skip:] if skip else piece
        skip = 0
        if length is not None:
            useful = useful[:length]
            length -= len(useful)
        yield useful
        if length == 0:
            return
