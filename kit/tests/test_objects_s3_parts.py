"""Parts of S3 uploads: never more than S3 takes, never more than a few in memory, however large the object is."""

import asyncio
from typing import Any

import pytest
from cloudly_kit.objects import s3_upload
from cloudly_kit.objects.s3_upload import PartWriter

S3_PARTS = 10_000
S3_SMALLEST_PART = 5 << 20
PIECE = bytes(1024)


class Recorder:
    """What PartWriter asks of a store; counts instead of sending, so that a terabyte costs nothing."""

    def __init__(self, mib: int) -> None:
        self.mib = mib
        self.sizes: list[int] = []
        self.in_memory = self.most_in_memory = 0
        self.completed: list[int] = []

    async def call(self, operation: str, **parameters: Any) -> dict[str, str]:
        if operation == "upload_part":
            size = len(parameters["Body"])
            self.in_memory += size
            self.most_in_memory = max(self.most_in_memory, self.in_memory)
            await asyncio.sleep(0)
            self.in_memory -= size
            self.sizes.append(size)
        elif operation == "complete_multipart_upload":
            self.completed = [part["PartNumber"] for part in parameters["MultipartUpload"]["Parts"]]
        return {"UploadId": "u", "ETag": "e"}


@pytest.mark.parametrize("gib", [1, 6, 100])
async def test_an_object_of_many_gigabytes_fits_into_s3s_parts_and_into_memory(
    monkeypatch: pytest.MonkeyPatch, gib: int
) -> None:
    # A MiB of this test is 1 KiB, so that 100 GiB are 100 MiB: the numbers of parts are the real ones.
    monkeypatch.setattr(s3_upload, "_MIB", len(PIECE))
    store = Recorder(len(PIECE))
    writer = PartWriter(store, "large")  # type: ignore[arg-type]
    for _ in range(gib * 1024):
        await writer.write([PIECE])
    stat = await writer.finish()
    scale = (1 << 20) // len(PIECE)
    assert stat.size * scale == gib << 30
    assert sum(store.sizes) == stat.size
    assert store.completed == list(range(1, len(store.sizes) + 1))
    assert len(store.sizes) <= S3_PARTS
    assert all(size * scale >= S3_SMALLEST_PART for size in store.sizes[:-1])
    assert store.most_in_memory <= 2 * max(store.sizes), "two are on their way while a third fills"
