"""Calls to other services: one door out, which adds the identity, bounds the time, repeats what is safe to repeat, and
raises what the other side raised as the same DomainError.
"""

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Self

import grpc
import jwt
from cloudly.auth.v1 import auth_pb2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # its stubs leave it out

from cloudly_kit import contract
from cloudly_kit.errors import Unavailable, from_rpc_error
from cloudly_kit.identity import MAX_TOKEN_LENGTH, PublicKeys, current_call, key_from_jwk
from cloudly_kit.rpc_server import (
    AUTHORIZATION,
    MAX_MESSAGE_BYTES,
    METADATA_BYTES,
    ON_BEHALF_OF,
    REMOTE_ADDRESS,
    REQUEST_ID,
    USER_AGENT,
)

CHANNEL_OPTIONS: tuple[tuple[str, int | str], ...] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_metadata_size", METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", METADATA_BYTES),
    ("grpc.lb_policy_name", "round_robin"),
    ("grpc.enable_retries", 0),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # A service that restarts is back within a second; the default back-off would leave it unused for minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)

ATTEMPTS = 4
_ASSERTION_SECONDS = 60
_RENEW_BEFORE_SECONDS = 60

Metadata = tuple[tuple[str, str], ...]
Credentials = Callable[[], Awaitable[str]]
remote_address: ContextVar[str] = ContextVar("cloudly_remote_address", default="")
"""Set by the gateway: the address of the client it calls for."""
user_agent: ContextVar[str] = ContextVar("cloudly_user_agent", default="")
"""Set by the gateway: what that client calls itself."""
on_behalf_of: ContextVar[str] = ContextVar("cloudly_on_behalf_of", default="")
"""Set by the gateway: the client's own token."""
request_id: ContextVar[str] = ContextVar("cloudly_request_id", default="")
"""Set by the gateway: the id of the HTTP request."""


class ServiceCredentials:
    """A service's short-lived token, bought from auth with an assertion signed by the service's own key."""

    def __init__(self, service: str, key_file: Path, auth_channel: grpc.aio.Channel) -> None:
        self._service = service
        self._key_file = key_file
        self._issue = auth_channel.unary_unary(
            "/cloudly.auth.v1.AuthService/IssueServiceToken",
            request_serializer=auth_pb2.IssueServiceTokenRequest.SerializeToString,
            response_deserializer=auth_pb2.IssueServiceTokenResponse.FromString,
        )
        self._token = ""
        self._expires = 0.0
        self._lock = asyncio.Lock()

    async def __call__(self) -> str:
        """A token good for at least another minute.

        Raises:
            Unavailable: auth does not answer.
        """
        if time.time() > self._expires - _RENEW_BEFORE_SECONDS:
            async with self._lock:
                if time.time() > self._expires - _RENEW_BEFORE_SECONDS:
                    await self._renew()
        return self._token

    async def _renew(self) -> None:
        pem = await asyncio.to_thread(self._key_file.read_bytes)
        key = load_pem_private_key(pem, password=None)
        if not isinstance(key, Ed25519PrivateKey):
            message = f"{self._key_file} is not an Ed25519 key"
            raise TypeError(message)
        for attempt in range(1, ATTEMPTS + 1):
            now = int(time.time())
            claims = {
                "iss": self._service,
                "sub": self._service,
                "aud": "auth",
                "iat": now,
                "exp": now + _ASSERTION_SECONDS,
                "jti": random.randbytes(16).hex(),
            }
            assertion = jwt.encode(claims, key, algorithm="EdDSA")
            request = auth_pb2.IssueServiceTokenRequest(service=self._service, assertion=assertion)
            try:
                answer = await self._issue(request, timeout=5)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE or attempt == ATTEMPTS:
                    raise from_rpc_error(error) from error
                await _pause(attempt)
            else:
                self._token, self._expires = answer.access_token, float(answer.expire_time.seconds)
                return


class ServiceChannel(grpc.aio.Channel):
    """A channel to one service for the generated stubs; only the kinds of calls that the contract has."""

    def __init__(self, service: str, target: str, credentials: Credentials | None) -> None:
        self._service = service
        self._inner = grpc.aio.insecure_channel(target, options=CHANNEL_OPTIONS)
        self._credentials = credentials

    def unary_unary(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: Any = False,
    ) -> Any:
        """A callable `(request, timeout=None) -> Awaitable[response]`."""
        inner = self._inner.unary_unary(method, request_serializer, response_deserializer)
        known = contract.methods().get(method)
        idempotent = bool(known and known.rules.idempotent)
        deadline = (known.deadline_seconds if known else 30) + 1

        async def call(request: Any, timeout: float | None = None) -> Any:
            metadata = await self._metadata()
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    return await inner(request, timeout=timeout or deadline, metadata=metadata)
                except grpc.aio.AioRpcError as error:
                    again = idempotent and error.code() is grpc.StatusCode.UNAVAILABLE and attempt < ATTEMPTS
                    if not again:
                        raise self._translated(error) from error
                await _pause(attempt)
            raise AssertionError

        return call

    def unary_stream(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: Any = False,
    ) -> Any:
        """A callable `(request, timeout=None) -> AsyncIterator[response]`; closing the iterator ends the call."""
        inner = self._inner.unary_stream(method, request_serializer, response_deserializer)

        async def call(request: Any, timeout: float | None = None) -> AsyncIterator[Any]:
            stream = inner(request, timeout=timeout, metadata=await self._metadata())
            try:
                async for answer in stream:
                    yield answer
            except grpc.aio.AioRpcError as error:
                raise self._translated(error) from error
            finally:
                stream.cancel()

        return call

    def stream_unary(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: Any = False,
    ) -> Any:
        """A callable `(requests: AsyncIterator, timeout=None) -> Awaitable[response]`; cancelling it ends the call.

        A refusal in the middle of the requests is told as the server says it; what fails while they are made is raised.
        """
        inner = self._inner.stream_unary(method, request_serializer, response_deserializer)
        deadline = contract.methods()[method].deadline_seconds + 1

        async def call(requests: AsyncIterator[Any], timeout: float | None = None) -> Any:
            stream = inner(timeout=timeout or deadline, metadata=await self._metadata())
            writing = asyncio.ensure_future(_write(stream, requests, request_serializer))
            answer = asyncio.ensure_future(_answer(stream))
            try:
                await asyncio.wait({writing, answer}, return_when=asyncio.FIRST_COMPLETED)
                if writing.done():
                    writing.result()  # what failed while the requests were made
                return await answer
            except grpc.aio.AioRpcError as error:
                raise self._translated(error) from error
            finally:
                writing.cancel()
                stream.cancel()
                await asyncio.gather(writing, answer, return_exceptions=True)

        return call

    def stream_stream(
        self,
        method: str,
        request_serializer: Any = None,
        response_deserializer: Any = None,
        _registered_method: Any = False,
    ) -> Any:
        """As grpc.aio gives it; only agents speak such calls, and they bring their own credentials."""
        return self._inner.stream_stream(method, request_serializer, response_deserializer)

    async def close(self, grace: float | None = None) -> None:
        """End the connections."""
        await self._inner.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """The state of the connection."""
        return self._inner.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Until the state is another."""
        await self._inner.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Until connected."""
        await self._inner.channel_ready()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _metadata(self) -> Metadata:
        call = current_call()
        behalf = on_behalf_of.get() or (call.token if call else "")
        pairs = [
            (REQUEST_ID, request_id.get() or (call.request_id if call else "")),
            (REMOTE_ADDRESS, remote_address.get() or (call.remote_address if call else "")),
            (USER_AGENT, user_agent.get() or (call.user_agent if call else "")),
        ]
        if self._credentials is not None:
            own = await self._credentials()
            pairs.append((AUTHORIZATION, f"Bearer {own}"))
            # A service that was itself called by a service for nobody holds that service's token: not worth passing on.
            if behalf and not (call and call.token == behalf and call.actor.type == "service"):
                pairs.append((ON_BEHALF_OF, _sendable(behalf)))
        return tuple((key, value) for key, value in pairs if value)

    def _translated(self, error: grpc.aio.AioRpcError) -> Exception:
        if error.code() is grpc.StatusCode.UNAVAILABLE and not error.trailing_metadata():
            return Unavailable(self._service)
        return from_rpc_error(error)


async def fetch_public_keys(auth_channel: grpc.aio.Channel) -> PublicKeys:
    """Auth's public keys by key id.

    Raises:
        Unavailable: auth does not answer.
    """
    get = auth_channel.unary_unary(
        "/cloudly.auth.v1.AuthService/GetJwks",
        request_serializer=auth_pb2.GetJwksRequest.SerializeToString,
        response_deserializer=auth_pb2.GetJwksResponse.FromString,
    )
    answer = await get(auth_pb2.GetJwksRequest(), timeout=5)
    return {key.kid: key_from_jwk(key.x) for key in answer.keys}


def _sendable(token: str) -> str:
    """A client's token as metadata: printable ASCII, and not long. What is not so goes as one that is refused."""
    return re.sub(r"[^!-~]", "?", token[: MAX_TOKEN_LENGTH + 1])


async def _pause(attempt: int) -> None:
    await asyncio.sleep(random.uniform(0.5, 1.0) * min(1.0, 0.05 * 4**attempt))


async def _answer(stream: Any) -> Any:
    return await stream


async def _write(stream: Any, requests: AsyncIterator[Any], serialize: Callable[[Any], bytes]) -> None:
    """Send all requests, or as many as the server takes: where it ends the call in the middle, its status says why.

    Past `stream.write`, which overwrites that status with "Internal error from Core" where a write fails before the status
    is read; nothing public of grpc.aio tells it then (https://github.com/grpc/grpc/issues/36066, open with grpcio 1.85).
    """
    await stream.wait_for_connection()
    async for request in requests:
        try:
            await stream._cython_call.send_serialized_message(serialize(request))
        except cygrpc.InternalError:
            return
        if stream.done():
            return
    await stream.done_writing()
