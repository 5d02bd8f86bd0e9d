"""Services as processes of their own, which can be killed, also at their crash points."""

import asyncio
import os
import subprocess
import sys
import time

import grpc
import pytest
from cloudly_kit.config import SERVICES, ServiceSettings
from grpc_health.v1 import health_pb2, health_pb2_grpc

KILLED = 137
START_SECONDS = 60


class Process:
    """One process of a service. What it logs goes to a file in the data directory."""

    def __init__(
        self, service: str, settings: ServiceSettings, *, worker: bool = False, crashpoint: str = "", **more: str
    ) -> None:
        self.address = "" if worker or service not in SERVICES else settings.listen_address(service)
        environment = {
            "MONGODB_URL": settings.mongodb_url.get_secret_value(),
            "MONGODB_NAME": settings.mongodb_name,
            "REDIS_URL": settings.redis_url.get_secret_value(),
            "CLOUDLY_DATA_DIR": str(settings.data_dir),
            "CLOUDLY_AUTH_ADDRESS": settings.address_of("auth"),
            "CLOUDLY_REGISTRY_ADDRESS": settings.address_of("registry"),
            "CLOUDLY_CRASHPOINT": crashpoint,
            **more,
        }
        if self.address:
            environment[f"CLOUDLY_{service.upper()}_LISTEN"] = self.address
        self.log = settings.data_dir / f"{service}{'-worker' if worker else ''}-{time.monotonic_ns()}.log"
        call = f"from cloudly_{service}.main import {'worker' if worker else 'main'} as run; run()"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", call],
                env={**os.environ, **environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def ended(self) -> int:
        """How it ended, once it has."""
        return await asyncio.to_thread(self.process.wait, START_SECONDS)

    async def serving(self) -> None:
        """Until it serves; fails when it ends first."""
        options = (("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 200))
        async with grpc.aio.insecure_channel(self.address, options=options) as channel:
            check = health_pb2_grpc.HealthStub(channel).Check
            async with asyncio.timeout(START_SECONDS):
                while True:
                    if self.process.poll() is not None:
                        pytest.fail(f"it ended while starting:\n{self.log.read_text()}")
                    try:
                        await check(health_pb2.HealthCheckRequest(), timeout=1)
                    except grpc.aio.AioRpcError:
                        await asyncio.sleep(0.05)
                    else:
                        return

    async def stop(self) -> None:
        """End it in order."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                await asyncio.to_thread(self.process.wait, 20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
