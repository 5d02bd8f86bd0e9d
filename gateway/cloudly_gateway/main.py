"""The gateway's process. Wiring only."""

import asyncio

from cloudly_kit.runtime import Runtime, run

from cloudly_gateway.app import build
from cloudly_gateway.config import Settings
from cloudly_gateway.health import checks
from cloudly_gateway.server import HttpServer


async def serve(settings: Settings) -> None:
    """Serve until told to stop."""
    async with Runtime("gateway", settings) as runtime:
        stopping = asyncio.Event()
        parts, probes = checks(settings, runtime.redis.ping)
        app = build(settings, channels=runtime.channel, verifier=runtime.verifier, checks=parts, stopping=stopping)
        server = HttpServer(app, settings.listen, stopping)
        runtime.background("http", server.run)
        runtime.on_drain(server.drain)
        try:
            await runtime.run()
        finally:
            for probe in probes:
                await probe.close()


def main() -> None:
    """The console script."""
    run(serve, Settings, "gateway")
