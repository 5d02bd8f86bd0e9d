"""The stream to Cloudly: login, Hello, configurations in, receipts and reports out, and back again after every break."""

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import Callable
from typing import Any

import grpc
import structlog
from cloudly.auth.v1 import auth_pb2, auth_pb2_grpc
from cloudly.coreflow.v1 import coreflow_pb2, coreflow_pb2_grpc
from google.protobuf.timestamp_pb2 import Timestamp

from cloudly_coreflow.config import Settings
from cloudly_coreflow.specs import digest
from cloudly_coreflow.state import State

log = structlog.get_logger()

EOF: Any = getattr(grpc.aio, "EOF")  # noqa: B009 - unknown to the published types

PROTOCOL = 1
VERSION = "0.1.0"
CAPABILITIES = ("swarm", "coretraffic")
FIRST_RETRY_SECONDS = 0.2
MAX_RETRY_SECONDS = 30.0
REFUSED_RETRY_SECONDS = 20.0
STABLE_SECONDS = 20.0
OUTBOX = 64

OPTIONS = (
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
)

Call = Any
"""A grpc.aio.StreamStreamCall; its published types know neither EOF nor the messages."""

Apply = Callable[[coreflow_pb2.ConfigPush], str]
"""Takes a configuration; answers why it cannot be taken as a whole, or nothing."""


class Link:
    """Keeps one stream to Cloudly alive, for as long as the agent lives."""

    def __init__(self, settings: Settings, state: State, take: Apply) -> None:
        self._settings = settings
        self._state = state
        self._take = take
        self._instance_id = secrets.token_hex(8)
        self._start_time = Timestamp(seconds=int(time.time()))
        self._outbox: asyncio.Queue[coreflow_pb2.ConnectRequest] | None = None
        self._epoch = 0
        self._status: coreflow_pb2.StatusReport | None = None

    async def run(self) -> None:
        """Connect, serve the stream, and connect again after a pause that grows while it does not work."""
        pause = FIRST_RETRY_SECONDS
        while True:
            started = time.monotonic()
            wait: float | None = None
            try:
                wait = await self._connect()
            except grpc.aio.AioRpcError as error:
                refused = error.code() in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
                conflict = error.code() in (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.NOT_FOUND)
                log.warning("link.broken", code=error.code().name, message=error.details())
                if refused:
                    log.warning("link.refused", hint="check JUMPCODE; `cloudly cluster rotate-jump-code` makes another")
                if refused or conflict:
                    wait = REFUSED_RETRY_SECONDS
            except (OSError, TimeoutError) as error:
                log.warning("link.broken", message=repr(error))
            if time.monotonic() - started > STABLE_SECONDS:
                pause = FIRST_RETRY_SECONDS
            # Full jitter: thousands of agents come back after a restart of Cloudly.
            await asyncio.sleep(wait if wait is not None else random.uniform(0.1, 1.0) * pause)
            pause = min(pause * 2, MAX_RETRY_SECONDS)

    def report(self, status: coreflow_pb2.StatusReport) -> None:
        """Send what is seen, and again after each reconnect; a newer report replaces one that waits."""
        self._status = status
        self._send(coreflow_pb2.ConnectRequest(status=status))

    def receipt(self, receipt: coreflow_pb2.ConfigReceipt) -> None:
        """Tell what became of a configuration."""
        self._send(coreflow_pb2.ConnectRequest(receipt=receipt))

    def _send(self, message: coreflow_pb2.ConnectRequest) -> None:
        if self._outbox is None:
            return
        message.epoch = self._epoch
        if self._outbox.full():
            # Reports make up for each other; whoever waits this long will connect anew.
            self._outbox.get_nowait()
        self._outbox.put_nowait(message)

    async def _connect(self) -> float | None:
        target, secure = self._settings.target
        channel = (
            grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(), options=OPTIONS)
            if secure
            else grpc.aio.insecure_channel(target, options=OPTIONS)
        )
        async with channel:
            token = await self._log_in(channel)
            stub = coreflow_pb2_grpc.CoreflowServiceStub(channel)
            connect: Any = stub.Connect
            call = connect(metadata=(("authorization", f"Bearer {token}"),))
            try:
                return await self._serve(call)
            finally:
                self._outbox = None
                call.cancel()

    async def _log_in(self, channel: grpc.aio.Channel) -> str:
        request = auth_pb2.ExchangeTokenRequest(token=self._settings.jump_code.get_secret_value())
        answer = await auth_pb2_grpc.AuthServiceStub(channel).ExchangeToken(request, timeout=10)
        return str(answer.access_token)

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
        await call.write(coreflow_pb2.ConnectRequest(hello=hello))
        answer = await asyncio.wait_for(call.read(), 15)
        if answer is EOF or answer.WhichOneof("message") != "welcome":
            # The status tells why; awaiting it raises nothing, so it is raised here.
            await self._raise_status(call)
        welcome = answer.welcome
        self._epoch = welcome.epoch
        self._outbox = asyncio.Queue(OUTBOX)
        log.info("link.connected", cluster=welcome.cluster_id, epoch=welcome.epoch)
        if self._status is not None:
            self.report(self._status)
        tasks = [
            asyncio.create_task(self._write(call, self._outbox)),
            asyncio.create_task(self._beat(welcome.heartbeat_seconds)),
        ]
        try:
            return await self._read(call, welcome.lease_seconds)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, call: Call, lease_seconds: int) -> float | None:
        while True:
            # Heartbeats are answered: a server that is silent for a whole lease is gone, whatever the transport says.
            message = await asyncio.wait_for(call.read(), lease_seconds)
            if message is EOF:
                await self._raise_status(call)
            if message.epoch != self._epoch:
                continue
            kind = message.WhichOneof("message")
            if kind == "drain":
                log.info("link.drained")
                return float(message.drain.reconnect_after_milliseconds) / 1000
            if kind == "config":
                self._configuration(message.config)

    def _configuration(self, push: coreflow_pb2.ConfigPush) -> None:
        refusal = self._take(push)
        outcome = coreflow_pb2.CONFIG_OUTCOME_REJECTED if refusal else coreflow_pb2.CONFIG_OUTCOME_RECEIVED
        log.info("config.received", version=push.version, whole=push.HasField("configuration"), refusal=refusal)
        self.receipt(
            coreflow_pb2.ConfigReceipt(version=push.version, nonce=push.nonce, outcome=outcome, reason=refusal)
        )

    async def _write(self, call: Call, outbox: asyncio.Queue[coreflow_pb2.ConnectRequest]) -> None:
        # The only writer: concurrent writes on one stream fail.
        with contextlib.suppress(asyncio.InvalidStateError):
            while True:
                await call.write(await outbox.get())

    async def _beat(self, seconds: int) -> None:
        while True:
            await asyncio.sleep(max(1, seconds) * random.uniform(0.8, 1.0))
            self._send(coreflow_pb2.ConnectRequest(heartbeat=coreflow_pb2.Heartbeat()))

    @staticmethod
    async def _raise_status(call: Call) -> None:
        empty = grpc.aio.Metadata()
        raise grpc.aio.AioRpcError(await call.code(), empty, empty, await call.details(), None)


def credentials_version(credentials: coreflow_pb2.RegistryCredentials | None) -> str:
    """A name for credentials that changes with them and tells nothing."""
    return digest([credentials.server, credentials.password]) if credentials is not None else ""
