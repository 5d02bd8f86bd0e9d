"""What a service's process is made of: connections, the gRPC server, background loops, and an orderly end.

async with Runtime("clusters", settings) as runtime:
    store = ClustersStore(runtime.database)
    runtime.serve(add_ClusterServiceServicer_to_server, ClusterServicer(...))
    runtime.background("sweep", sweep_forever)
    await runtime.run()
"""

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
import redis.asyncio
import structlog
from cloudly.auth.v1 import auth_pb2, auth_pb2_grpc
from motor.motor_asyncio import AsyncIOMotorClient
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError

from cloudly_kit import contract, logs, metrics
from cloudly_kit.audit.journal import Journal
from cloudly_kit.config import ServiceSettings
from cloudly_kit.crypto import Envelope
from cloudly_kit.errors import DomainError
from cloudly_kit.hints import Hints
from cloudly_kit.identity import PublicKeys, TokenVerifier
from cloudly_kit.master_keys import MasterKeys, follow
from cloudly_kit.revocation_check import RevocationCheck
from cloudly_kit.rpc_client import ServiceChannel, ServiceCredentials, fetch_public_keys
from cloudly_kit.rpc_server import SERVER_OPTIONS, CallInterceptor, add_health_and_reflection
from cloudly_kit.store import Database

log = structlog.get_logger()

Settings = TypeVar("Settings", bound=ServiceSettings)
Loop = Callable[[], Awaitable[None]]
GRACE_SECONDS = 5.0
"""How long calls in flight may take to end when the process is told to stop."""


class Runtime:
    """One process of one service; an asynchronous context manager.

    `fetch_keys` and `is_revoked` are given by auth alone, which has the keys and the sessions itself.
    """

    def __init__(
        self,
        name: str,
        settings: ServiceSettings,
        *,
        fetch_keys: Callable[[], Awaitable[PublicKeys]] | None = None,
        is_revoked: Callable[[str], Awaitable[bool]] | None = None,
    ) -> None:
        self.name = name
        self.settings = settings
        self._fetch_keys = fetch_keys
        self._ask_revoked = is_revoked
        self._channels: dict[str, ServiceChannel] = {}
        self._servicers: list[tuple[Callable[[Any, grpc.aio.Server], None], Any]] = []
        self._loops: list[tuple[str, Loop]] = []
        self._drains: list[Callable[[], Awaitable[None]]] = []
        self._stop = asyncio.Event()
        self._master_keys: MasterKeys | None = None

    async def __aenter__(self) -> Self:
        settings = self.settings
        credentials: dict[str, Any] = {}
        if settings.mongodb_user:
            credentials = {"username": settings.mongodb_user, "password": settings.mongodb_pass.get_secret_value()}
        self._mongo: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(
            settings.mongodb_url.get_secret_value(),
            serverSelectionTimeoutMS=5_000,
            connectTimeoutMS=5_000,
            maxPoolSize=50,
            tz_aware=True,
            appname=f"cloudly-{self.name}",
            **credentials,
        )
        self.database = Database(self._mongo, f"{settings.mongodb_name}_{self.name}")
        self.redis: redis.asyncio.Redis = redis.asyncio.Redis.from_url(
            settings.redis_url.get_secret_value(),
            socket_connect_timeout=2,
            socket_keepalive=True,
            retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 3),
            health_check_interval=30,
        )
        self.hints = Hints(self.redis)
        self.journal = Journal(self.database, self.redis, self.name)
        self.background("audit", self.journal.run)
        self.on_drain(self.journal.drain)
        auth = self._channels["auth:anonymous"] = ServiceChannel("auth", settings.address_of("auth"), None)
        self._credentials = ServiceCredentials(self.name, settings.keys_dir / f"{self.name}.key", auth)
        self.verifier = TokenVerifier(
            settings.public_origin,
            self._fetch_keys or (lambda: fetch_public_keys(auth)),
            RevocationCheck(self.redis, self._ask_revoked or self._ask_auth),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for channel in self._channels.values():
            await channel.close()
        with contextlib.suppress(RedisError):
            await self.redis.aclose()
        self._mongo.close()

    def channel(self, service: str) -> grpc.aio.Channel:
        """A channel to another service for the generated stubs, with this service's identity and the caller's."""
        if service not in self._channels:
            self._channels[service] = ServiceChannel(service, self.settings.address_of(service), self._credentials)
        return self._channels[service]

    async def master_keys(self) -> MasterKeys:
        """The master keys, followed while the process runs.

        Raises:
            ValueError: there is no usable one.
        """
        if self._master_keys is None:
            self._master_keys = keys = await asyncio.to_thread(MasterKeys, self.settings)
            self.background("master-keys", lambda: follow(keys, self.hints))
        return self._master_keys

    async def envelope(self) -> Envelope:
        """What seals and opens secrets at rest. Raises as `master_keys` does."""
        return Envelope(await self.master_keys())

    def serve(self, add_to_server: Callable[[Any, grpc.aio.Server], None], servicer: Any) -> None:
        """Have the gRPC server serve this servicer."""
        self._servicers.append((add_to_server, servicer))

    def background(self, name: str, loop: Loop) -> None:
        """Run a loop beside the server; one that raises is logged, counted, and started again after a pause."""
        self._loops.append((name, loop))

    def on_drain(self, drain: Callable[[], Awaitable[None]]) -> None:
        """Called when the process is told to stop, before calls in flight are cut off."""
        self._drains.append(drain)

    def stop(self) -> None:
        """Begin the orderly end of `run`."""
        self._stop.set()

    async def run(self) -> None:
        """Serve until told to stop (SIGTERM, SIGINT or `stop`), then end orderly."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            # Tests run services outside the main thread's loop, where no signal can be handled.
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, self._stop.set)
        if self.settings.metrics_listen:
            metrics.serve(self.settings.metrics_listen)
        server: grpc.aio.Server | None = None
        health: Any = None
        if self._servicers:
            server, health = self._server()
        if server is not None:
            await server.start()
            await health.set("", 1)
        log.info("service.started", listen=self.settings.listen_address(self.name) if server is not None else "")
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._forever(name, body), name=name) for name, body in self._loops]
                await self._stop.wait()
                await self._drain(health)
                if server is not None:
                    await server.stop(GRACE_SECONDS)
                for task in tasks:
                    task.cancel()
        finally:
            if server is not None:
                await server.stop(0)
        log.info("service.stopped")

    async def _drain(self, health: Any) -> None:
        if health is not None:
            await health.enter_graceful_shutdown()
        for drain in self._drains:
            try:
                await asyncio.wait_for(drain(), GRACE_SECONDS)
            except Exception as error:
                log.warning("service.drain_failed", exc_info=error)

    def _server(self) -> tuple[grpc.aio.Server, Any]:
        interceptor = CallInterceptor(self.verifier, self.journal)
        self.background("open-streams", interceptor.streams.run)
        server = grpc.aio.server(interceptors=[interceptor], options=SERVER_OPTIONS)
        names = set()
        for add_to_server, servicer in self._servicers:
            add_to_server(servicer, server)
            names |= {method.service for method in contract.methods().values() if _serves(servicer, method)}
        health = add_health_and_reflection(server, sorted(names))
        address = self.settings.listen_address(self.name)
        if server.add_insecure_port(address) == 0:
            message = f"cannot listen on {address}"
            raise OSError(message)
        return server, health

    async def _forever(self, name: str, loop: Loop) -> None:
        pause = 0.5
        while True:
            started = time.monotonic()
            try:
                await loop()
            except Exception as error:  # noqa: BLE001 - a loop outlives its faults, and says so
                metrics.BACKGROUND_FAILURES.labels(self.name, name).inc()
                level = log.warning if isinstance(error, DomainError | OSError | RedisError) else log.error
                level("background.failed", loop=name, error=repr(error), exc_info=error)
            if time.monotonic() - started > 30:
                pause = 0.5
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(pause * 2, 15.0)

    async def _ask_auth(self, session_id: str) -> bool:
        stub = auth_pb2_grpc.AuthServiceStub(self.channel("auth"))
        answer = await stub.CheckRevocation(auth_pb2.CheckRevocationRequest(session_id=session_id), timeout=2)
        return bool(answer.revoked)


def _serves(servicer: Any, method: contract.Method) -> bool:
    short = method.service.rsplit(".", 1)[1]
    return any(cls.__name__ == f"{short}Servicer" for cls in type(servicer).__mro__)


def run(serve: Callable[[Settings], Awaitable[None]], settings_class: type[Settings], name: str) -> None:
    """The body of a service's `main`: read the settings, set up logs, serve until told to stop."""
    import uvloop

    settings = settings_class()
    logs.configure(name, settings.log_level)

    async def body() -> None:
        await serve(settings)

    uvloop.run(body())
