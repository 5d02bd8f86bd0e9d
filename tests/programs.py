"""Programs beside servers of the test's own event loop: run without blocking it, and their output."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

SECONDS = 120.0


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
