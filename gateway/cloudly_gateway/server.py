"""The HTTP server's process side: uvicorn under the runtime's life, stopped in order."""

import asyncio
import contextlib
from collections.abc import Generator

import uvicorn
from starlette.types import ASGIApp

from cloudly_gateway.middleware.limits import MAX_BODY_BYTES

GRACE_SECONDS = 4
"""How long answers may take to end when the process stops; shorter than the runtime's own patience."""
KEEP_ALIVE_SECONDS = 75
"""Longer than proxies keep idle connections, so that it is they who close them and no request meets a closed one."""


class HttpServer:
    """One uvicorn server; `run` serves until `drain`."""

    def __init__(self, app: ASGIApp, listen: str, stopping: asyncio.Event) -> None:
        host, _, port = listen.rpartition(":")
        self._stopping = stopping
        self._stopped = asyncio.Event()
        self._server: _Server | None = None
        self._config = uvicorn.Config(
            app,
            host=host.strip("[]") or "127.0.0.1",
            port=int(port),
            loop="none",
            log_config=None,
            access_log=False,
            # What a proxy says is judged in middleware/context.py.
            proxy_headers=False,
            server_header=False,
            lifespan="off",
            ws="websockets-sansio",
            ws_max_size=MAX_BODY_BYTES,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )

    async def run(self) -> None:
        """Serve until drained, then wait to be cancelled.

        Raises:
            OSError: the address is taken.
        """
        self._stopped.clear()
        self._server = _Server(self._config)
        try:
            await self._server.serve()
        except SystemExit as exit_:
            # uvicorn leaves so when it cannot listen, having logged why.
            raise OSError(f"cannot listen on {self._config.host}:{self._config.port}") from exit_
        finally:
            self._stopped.set()
        await asyncio.Event().wait()

    async def drain(self) -> None:
        """Take no more requests, end the streams, wait for what is being answered."""
        self._stopping.set()
        if self._server is not None:
            self._server.should_exit = True
            await self._stopped.wait()


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # The runtime handles signals.
        yield
