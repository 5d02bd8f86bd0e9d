"""Programs beside servers of the test's own event loop: run without blocking it, and their output."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

import pytest

SECONDS = 120.0
Start = Callable[..., Awaitable[asyncio.subprocess.Process]]


async def run(
    *command: str | Path, stdin: bytes | None = None, environment: Mapping[str, str] | None = None, fails: bool = False
) -> str:
    """What the program prints, its complaints among it; asserts that it succeeds, or fails where it has to."""
    process = await asyncio.create_subprocess_exec(
        *(str(word) for word in command),
        stdin=asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **(environment or {})},
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(stdin), SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert (process.returncode != 0) == fails, f"{' '.join(map(str, command))}\n{output.decode()}"
    return output.decode().strip()


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts programs that go on beside the test, and ends with it those that have not ended."""
    started: list[asyncio.subprocess.Process] = []

    async def program(*command: str | Path, environment: Mapping[str, str]) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            *(str(word) for word in command),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **environment},
        )
        started.append(process)
        return process

    yield program
    for process in started:
        if process.returncode is None:
            process.kill()
            await process.wait()
