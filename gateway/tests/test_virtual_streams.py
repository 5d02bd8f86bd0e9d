"""Streams of the legacy API hold a bounded amount, whichever side is slow."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from cloudly_gateway.typedrequest import streams
from cloudly_gateway.typedrequest.streams import Streams
from cloudly_kit.errors import InvalidArgument, RateLimited


async def tell(running: Streams, purpose: str, id: str = "uni_1", **more: Any) -> dict[str, Any]:
    asked = {"streamId": id, "cycleId": "uni_c", "cycle": "request", "mainPurpose": purpose, **more}
    answer: dict[str, Any] = json.loads(await running.answer(asked))
    assert answer["response"]["cycleId"] == "uni_c"
    return {**answer["response"], "error": answer.get("error")}


def chunk(byte: int) -> dict[str, Any]:
    return {"chunkData": {"0": byte}}


@pytest.fixture
async def running() -> AsyncIterator[Streams]:
    stopping = asyncio.Event()
    yield Streams(stopping)
    stopping.set()


async def test_a_slow_reader_holds_its_sender_back(running: Streams) -> None:
    release, got = asyncio.Event(), []

    async def read(pieces: AsyncIterator[bytes]) -> None:
        await release.wait()
        got.extend([piece async for piece in pieces])

    await running.receive("uni_1", read)
    told = [(await tell(running, "chunk", **chunk(n)))["backpressure"] for n in range(4)]
    assert told == [False, False, False, True]
    # A sender that does not care gets no answer before there is room.
    fifth = asyncio.ensure_future(tell(running, "chunk", **chunk(4)))
    done, _ = await asyncio.wait({fifth}, timeout=0.3)
    assert not done
    release.set()
    assert (await fifth)["keepAlive"] is True
    ended = await tell(running, "chunk", chunkData=streams.CLOSING)
    assert (ended["keepAlive"], ended["error"]) == (False, None)
    assert b"".join(got) == bytes(range(5))


async def test_a_reader_that_fails_tells_why_and_takes_nothing_more(running: Streams) -> None:
    async def read(pieces: AsyncIterator[bytes]) -> None:
        await anext(pieces)
        raise InvalidArgument("this is no archive")

    await running.receive("uni_1", read)
    for _ in range(20):
        told = await tell(running, "chunk", **chunk(1))
    assert told["keepAlive"] is False
    assert told["error"] == {"text": "this is no archive", "data": {}}
    assert (await tell(running, "chunk", chunkData="neither bytes nor the end"))["keepAlive"] is False


async def test_a_source_is_read_only_as_fast_as_its_client_asks(running: Streams) -> None:
    read = 0

    async def source() -> AsyncIterator[bytes]:
        nonlocal read
        for n in range(20):
            read += 1
            yield bytes([n])

    id = (await running.send(source()))["streamId"]
    await asyncio.sleep(0.2)
    assert read <= 2
    assert (await tell(running, "read", id, backpressure=True)).get("chunkData") is None
    got = []
    while (told := await tell(running, "read", id))["chunkData"] != streams.CLOSING:
        assert told["next"] is True
        got += told["chunkData"]["data"]
    assert got == list(range(20))
    assert (told["next"], told["keepAlive"]) == (False, True)
    assert (await tell(running, "keepAlive", id))["keepAlive"] is False


async def test_the_first_message_may_come_before_the_request_that_it_belongs_to(running: Streams) -> None:
    early = asyncio.ensure_future(tell(running, "keepAlive"))
    await asyncio.sleep(0.05)

    async def read(pieces: AsyncIterator[bytes]) -> None:
        async for _ in pieces:
            pass

    await running.receive("uni_1", read)
    assert (await early)["keepAlive"] is True
    with pytest.raises(InvalidArgument):
        await running.receive("uni_1", read)


async def test_there_are_only_so_many(running: Streams, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MOST", 2)

    async def source() -> AsyncIterator[bytes]:
        yield b"x"

    for _ in range(2):
        await running.send(source())
    with pytest.raises(RateLimited):
        await running.send(source())


async def test_what_is_open_ends_with_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_LOOK_SECONDS", 0.05)
    stopping, cancelled = asyncio.Event(), asyncio.Event()
    running = Streams(stopping)

    async def read(pieces: AsyncIterator[bytes]) -> None:
        try:
            async for _ in pieces:
                pass
        finally:
            cancelled.set()

    await running.receive("uni_1", read)
    stopping.set()
    await asyncio.wait_for(cancelled.wait(), 10)
    assert "stops" in (await tell(running, "keepAlive"))["error"]["text"]
