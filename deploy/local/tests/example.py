"""Children for the tests of the zygote and the supervisor."""

import asyncio
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path


def steady() -> None:
    """Runs until told to stop."""
    signal.sigwait({signal.SIGTERM})


def stubborn() -> None:
    """Ends for nobody."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(60)


def failing() -> None:
    """Ends at once, with an error."""
    raise ValueError("as every time")


def telling() -> None:
    """Writes down what it sees of the world, then runs on."""
    seen = {
        "environment": dict(os.environ),
        "modules": sorted(sys.modules),
        "threads": threading.active_count(),
        "session": os.getsid(0) == os.getpid(),
        # The descriptor by which the directory itself is read is closed by then.
        "descriptors": [os.readlink(fd) for fd in map(str, Path("/proc/self/fd").iterdir()) if os.path.exists(fd)],
    }
    Path(os.environ["TELL"]).write_text(json.dumps(seen))
    steady()


def serving() -> None:
    """A gRPC server with health and an echo, on the unix socket by its name."""
    asyncio.run(_serve(f"unix:{os.environ['SOCKETS']}/{sys.argv[0]}.sock"))


async def _serve(address: str) -> None:
    import grpc
    from grpc_health.v1 import health_pb2_grpc
    from grpc_health.v1._async import HealthServicer

    async def echo(request: bytes, context: object) -> bytes:
        return request

    async def echo_all(requests, context):
        async for request in requests:
            yield request

    handlers = {
        "Echo": grpc.unary_unary_rpc_method_handler(echo),
        "EchoAll": grpc.stream_stream_rpc_method_handler(echo_all),
    }
    server = grpc.aio.server()
    for name in ("cloudly.clusters.v1.ClusterService", "cloudly.coreflow.v1.CoreflowService"):
        server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(name, handlers)])
    health = HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    server.add_insecure_port(address)
    await server.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await server.stop(1)
