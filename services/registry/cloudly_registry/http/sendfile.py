"""From a file to a socket without a copy, in threads: the event loop's own sendfile wakes up too often to keep up."""

import asyncio
import os
import select
from contextlib import suppress

_SLICE = 16 << 20
"""A thread sends at most so much before others get their turn."""
_WAIT_MS = 20
"""How long a thread waits for a slow client before it gives itself back."""
_STALLED_SECONDS = 600.0


async def send_file(transport: asyncio.Transport, fd: int, start: int, end: int) -> None:
    """Send the bytes from `start` up to, not including, `end`.

    Raises:
        ConnectionError: the client is gone, or took nothing for ten minutes.
        EOFError: the file is shorter.
    """
    # A socket of our own: the transport may close its one at any time, and its number be somebody else's then.
    sock = os.dup(transport.get_extra_info("socket").fileno())
    try:
        while start < end:
            start, full = await _in_thread(sock, fd, start, min(end, start + _SLICE))
            if full:
                await _writable(sock)
    finally:
        os.close(sock)


async def _in_thread(sock: int, fd: int, start: int, end: int) -> tuple[int, bool]:
    running = asyncio.get_running_loop().run_in_executor(None, _send, sock, fd, start, end)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        # The numbers are in use until the thread ends.
        while not running.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([running])
        running.exception()
        raise


def _send(sock: int, fd: int, start: int, end: int) -> tuple[int, bool]:
    """Send what goes; where it stands then, and whether it had to stop because the client takes no more."""
    room = select.poll()
    room.register(sock, select.POLLOUT)
    while start < end:
        try:
            sent = os.sendfile(sock, fd, start, end - start)
        except BlockingIOError:
            if not room.poll(_WAIT_MS):
                return start, True
            continue
        if not sent:
            raise EOFError("the file is shorter than it was")
        start += sent
    return start, False


async def _writable(sock: int) -> None:
    loop = asyncio.get_running_loop()
    writable = asyncio.Event()
    loop.add_writer(sock, writable.set)
    try:
        async with asyncio.timeout(_STALLED_SECONDS):
            await writable.wait()
    except TimeoutError:
        raise ConnectionAbortedError("the client takes nothing") from None
    finally:
        loop.remove_writer(sock)
