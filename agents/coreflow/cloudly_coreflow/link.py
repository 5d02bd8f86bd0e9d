"""The stream to Cloudly: login, Hello, configurations in, receipts and reports out, and back again after every break."""

import asyncio
import random
import secrets
import time
from collections.abc import Callable
from typing import Any, NoReturn

import grpc
import structlog
from cloudly.coreflow.v1 import coreflow_pb2, coreflow_pb2_grpc
from google.protobuf.timestamp_pb2 import Timestamp

from cloudly_coreflow.config import Settings
from cloudly_coreflow.login import Login
from cloudly_coreflow.outbox import Outbox
from cloudly_coreflow.state import State

log = structlog.get_logger()

EOF: Any = getattr(grpc.aio, "EOF")  # noqa: B009 - unknown to the published types

PROTOCOL = 1
VERSION = "0.1.0"
CAPABILITIES = ("swarm", "coretraffic")
FIRST_RETRY_SECONDS = 0.25
MAX_RETRY_SECONDS = 30.0
REFUSED_RETRY_SECONDS = 30.0
STABLE_SECONDS = 20.0
WELCOME_SECONDS = 15.0

OPTIONS = (
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # Without it a dead peer is noticed late (measured).
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
)

REFUSED = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
WAITING = (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.NOT_FOUND)

Call = Any
"""A grpc.aio.StreamStreamCall; its published types know neither EOF nor the messages."""

Take = Callable[[coreflow_pb2.ConfigPush, str], str]
"""Takes a push for the cluster of that id; answers why it cannot be taken as a whole, or nothing."""


class Link:
    """Keeps one stream to Cloudly alive, for as long as the agent lives."""

    def __init__(self, settings: Settings, state: State, take: Take) -> None:
        self._settings = settings
        self._state = state
        self._take = take
        self._login = Login(settings.jump_code.get_secret_value())
        self._instance_id = secrets.token_hex(8)
        self._start_time = Timestamp(seconds=int(time.time()))
        self._outbox: Outbox | None = None
        self._status: coreflow_pb2.StatusReport | None = None

    async def run(self) -> None:
        """Connect, serve the stream, and connect again after a pause that grows while it does not work."""
        failures = 0
        while True:
            started = time.monotonic()
            try:
                pause: float | None = await self._connect()
            except grpc.aio.AioRpcError as error:
                pause = self._broken(error)
            except (OSError, TimeoutError) as error:
                log.warning("link.broken", message=str(error) or "Cloudly is silent")
                pause = None
            failures = 0 if time.monotonic() - started > STABLE_SECONDS else failures + 1
            if pause is None:
                # Full jitter: thousands of agents come back after a restart of Cloudly.
                ceiling = min(MAX_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2.0 ** min(failures, 10))
                pause = random.uniform(0, ceiling)
            await asyncio.sleep(pause)

    def report(self, status: coreflow_pb2.StatusReport) -> None:
        """Send what is seen, and again after each reconnect; a newer report replaces one that waits."""
        self._status = status
        if self._outbox is not None:
            self._outbox.status(status)

    def receipt(self, receipt: coreflow_pb2.ConfigReceipt) -> None:
        """Tell what became of a configuration; lost while there is no connection, since each begins with a new push."""
        if self._outbox is not None:
            self._outbox.receipt(receipt)

    def _broken(self, error: grpc.aio.AioRpcError) -> float | None:
        code = error.code()
        if code not in REFUSED and code not in WAITING:
            log.warning("link.broken", code=code.name, message=error.details())
            return None
        if self._login.forget():
            return None
        log.error(
            "link.refused",
            code=code.name,
            message=error.details(),
            hint="check JUMPCODE; `cloudly cluster rotate-jump-code` makes another" if code in REFUSED else "",
        )
        # Only a person can mend it; trying again slowly finds out when one has.
        return random.uniform(0.7, 1.3) * REFUSED_RETRY_SECONDS

    async def _connect(self) -> float | None:
        async with self._channel() as channel:
            token = await self._login.token(channel)
            connect: Any = coreflow_pb2_grpc.CoreflowServiceStub(channel).Connect
            call = connect(metadata=(("authorization", f"Bearer {token}"),))
            try:
                return await self._serve(call)
            finally:
                self._outbox = None
                call.cancel()

    def _channel(self) -> grpc.aio.Channel:
        target, secure = self._settings.target
        if not secure:
            return grpc.aio.insecure_channel(target, options=OPTIONS)
        roots = self._settings.ca_file.read_bytes() if self._settings.ca_file else None
        return grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(roots), options=OPTIONS)

    async def _serve(self, call: Call) -> float | None:
        held = self._state.push()
        hello = coreflow_pb2.Hello(
            agent_id=self._state.agent_id,
            instance_id=self._instance_id,
            start_time=self._start_time,
            held_version=held.version if held else 0,
            held_hash=held.hash if held else "",
            protocol=PROTOCOL,
            agent_version=VERSION,
            capabilities=CAPABILITIES,
        )
        await asyncio.wait_for(call.write(coreflow_pb2.ConnectRequest(hello=hello)), WELCOME_SECONDS)
        answer = await asyncio.wait_for(call.read(), WELCOME_SECONDS)
        if answer is EOF or answer.WhichOneof("message") != "welcome":
            await _raise_status(call)
        welcome = answer.welcome
        outbox = self._outbox = Outbox(welcome.epoch)
        log.info("link.connected", cluster=welcome.cluster_id, epoch=welcome.epoch)
        if self._status is not None:
            outbox.status(self._status)
        tasks = {
            asyncio.create_task(self._read(call, welcome)),
            asyncio.create_task(_write(call, outbox)),
            asyncio.create_task(_beat(outbox, welcome.heartbeat_seconds)),
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return next(iter(done)).result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, call: Call, welcome: coreflow_pb2.Welcome) -> float | None:
        while True:
            # Heartbeats are answered: a server that is silent for a whole lease is gone, whatever the transport says.
            message = await asyncio.wait_for(call.read(), max(1, welcome.lease_seconds))
            if message is EOF:
                await _raise_status(call)
            if message.epoch != welcome.epoch:
                continue
            kind = message.WhichOneof("message")
            if kind == "drain":
                log.info("link.drained")
                return float(message.drain.reconnect_after_milliseconds) / 1000
            if kind == "config":
                self._configuration(message.config, welcome.cluster_id)

    def _configuration(self, push: coreflow_pb2.ConfigPush, cluster_id: str) -> None:
        refusal = self._take(push, cluster_id)
        outcome = coreflow_pb2.CONFIG_OUTCOME_REJECTED if refusal else coreflow_pb2.CONFIG_OUTCOME_RECEIVED
        log.info("config.received", version=push.version, whole=push.HasField("configuration"), refusal=refusal)
        self.receipt(
            coreflow_pb2.ConfigReceipt(version=push.version, nonce=push.nonce, outcome=outcome, reason=refusal)
        )


async def _write(call: Call, outbox: Outbox) -> None:
    # The only writer: concurrent writes on one stream fail.
    while True:
        message = await outbox.take()
        try:
            await call.write(message)
        except asyncio.InvalidStateError:
            # The call has ended; how, the reader finds out.
            await _raise_status(call)


async def _beat(outbox: Outbox, seconds: int) -> None:
    while True:
        await asyncio.sleep(max(1, seconds) * random.uniform(0.8, 1.0))
        outbox.beat()


async def _raise_status(call: Call) -> NoReturn:
    empty = grpc.aio.Metadata()
    raise grpc.aio.AioRpcError(await call.code(), empty, empty, await call.details(), None)
