"""The gRPC server of every service: one interceptor that knows the caller, checks access and rules, bounds the time,
translates errors, and counts and logs the call. Servicers only parse, call the domain and answer.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

import grpc
import pymongo.errors
import redis.exceptions
import structlog
from cloudly.auth.v1 import audit_pb2
from google.protobuf.message import Message
from grpc_status import rpc_status

from cloudly_kit import access, contract, masking, metrics, validation
from cloudly_kit.audit.calls import AuditedCall
from cloudly_kit.audit.journal import Journal
from cloudly_kit.errors import (
    Conflict,
    CredentialsMissing,
    DeadlineExceeded,
    DomainError,
    Internal,
    InvalidArgument,
    PermissionDenied,
    SecondFactorMissing,
    Unavailable,
    to_status,
)
from cloudly_kit.identity import (
    ANONYMOUS,
    CALL_AUDIENCES,
    SERVICE_AUDIENCE,
    Caller,
    Identity,
    TokenVerifier,
    current_call,
    set_caller,
)
from cloudly_kit.open_streams import OpenStream, OpenStreams

log = structlog.get_logger()

GATEWAY = "gateway"
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
METADATA_BYTES = 32 * 1024
"""A call may carry two tokens of 8 KiB. Between a soft and a hard limit gRPC refuses at random, so they are one."""
AUTHORIZATION = "authorization"
ON_BEHALF_OF = "x-cloudly-on-behalf-of"
REQUEST_ID = "x-request-id"
REMOTE_ADDRESS = "x-cloudly-remote-address"
USER_AGENT = "x-cloudly-user-agent"

SERVER_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_metadata_size", METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", METADATA_BYTES),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.so_reuseport", 0),
)

Context = Any
"""A grpc.aio.ServicerContext; its published types lack `abort_with_status`."""
Handler = Callable[[Any, Any], Any]


if TYPE_CHECKING:
    RpcHandler = grpc.RpcMethodHandler[Any, Any]
else:  # generic in its published types alone
    RpcHandler = grpc.RpcMethodHandler


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Wraps every handler of the contract; health and reflection pass through."""

    def __init__(self, verifier: TokenVerifier, journal: Journal | None = None) -> None:
        self.streams = OpenStreams(verifier)
        """To be run beside the server."""
        self._verifier = verifier
        self._journal = journal
        self._methods = contract.methods()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[RpcHandler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> RpcHandler | None:
        """Find the handler and put the house's rules around it."""
        handler = await continuation(handler_call_details)
        method = self._methods.get(handler_call_details.method)
        if handler is None or method is None:
            return handler
        streams = {
            "request_deserializer": handler.request_deserializer,
            "response_serializer": handler.response_serializer,
        }
        if handler.unary_unary:
            return grpc.unary_unary_rpc_method_handler(self._unary(method, handler.unary_unary), **streams)
        if handler.unary_stream:
            return grpc.unary_stream_rpc_method_handler(self._stream(method, handler.unary_stream), **streams)
        if handler.stream_unary:
            return grpc.stream_unary_rpc_method_handler(
                self._unary(method, self._receiving(method, handler.stream_unary)), **streams
            )
        return grpc.stream_stream_rpc_method_handler(
            self._stream(method, cast("Handler", handler.stream_stream)), **streams
        )

    def _unary(self, method: contract.Method, handler: Handler) -> Handler:
        async def handle(request: Any, context: Context) -> Message:
            started = time.perf_counter()
            call, error = None, None
            audited = self._audited(method, request)
            try:
                call = await self._admit(method, context)
                if isinstance(request, Message):
                    self._check(method, request)
                async with asyncio.timeout(_seconds_left(method, context)):
                    if audited is not None:
                        await audited.begin(call)
                    answer = cast("Message", await handler(request, context))
                if audited is not None:
                    await audited.done(answer)
                return answer
            except Exception as raised:  # noqa: BLE001 - the one translator of errors
                error = translate(raised, method.path)
                if audited is not None:
                    await audited.failed(error, current_call())
            finally:
                if audited is not None:
                    audited.left()
                _record(method, call, request, error, started)
            await _abort(context, error)
            raise AssertionError

        return handle

    def _receiving(self, method: contract.Method, handler: Handler) -> Handler:
        """The handler of a stream of requests, which are checked one by one and end with the login of whoever sends them."""

        async def handle(requests: AsyncIterator[Message], context: Context) -> Message:
            async def checked(stream: OpenStream) -> AsyncIterator[Message]:
                while (request := await stream.next(requests)) is not None:
                    self._check(method, request)
                    yield request

            call = current_call()
            assert call is not None
            # It comes to an end by itself: the token's time does not break it off.
            with self.streams.opened(call.actor, until_expiry=False) as stream:
                return cast("Message", await handler(checked(stream), context))

        return handle

    def _stream(self, method: contract.Method, handler: Handler) -> Handler:
        async def handle(request: Any, context: Context) -> AsyncIterator[Message]:
            started = time.perf_counter()
            call, error = None, None
            audited = self._audited(method, request)
            try:
                call = await self._admit(method, context)
                if isinstance(request, Message):
                    self._check(method, request)
                if audited is not None:
                    # A stream lasts: its entry tells that it was opened, and does not wait for its end.
                    await audited.begin(call)
                    await audited.done(None)
                async with contextlib.aclosing(handler(request, context)) as answers:
                    with (
                        metrics.OPEN_STREAMS.labels(method.path).track_inprogress(),
                        self.streams.opened(call.actor, until_expiry=method.endless) as stream,
                    ):
                        while (answer := await stream.next(answers)) is not None:
                            yield answer
            except Exception as raised:  # noqa: BLE001 - the one translator of errors
                error = translate(raised, method.path)
                if audited is not None and audited.entry.result != audit_pb2.AUDIT_RESULT_DONE:
                    await audited.failed(error, current_call())
            finally:
                _record(method, call, request, error, started)
            if error is not None:
                await _abort(context, error)

        return handle

    def _audited(self, method: contract.Method, request: Any) -> AuditedCall | None:
        return AuditedCall(self._journal, method, request) if method.rules.audit and self._journal else None

    async def _admit(self, method: contract.Method, context: Context) -> Caller:
        metadata = {
            str(key): str(value)
            for key, value in cast("Iterable[tuple[str, Any]]", context.invocation_metadata() or ())
        }
        request_id = metadata.get(REQUEST_ID) or uuid.uuid4().hex
        call = Caller(ANONYMOUS, request_id=request_id, remote_address=context.peer())
        set_caller(call)
        structlog.contextvars.bind_contextvars(request_id=request_id)
        # Where the caller's own rights do not matter, a token of theirs that has ended in the meantime does not either.
        needs_actor = method.rules.access.WhichOneof("kind") not in ("public", "services")
        identity, actor, token = ANONYMOUS, None, _bearer(metadata.get(AUTHORIZATION, ""))
        behalf = metadata.get(ON_BEHALF_OF, "")
        if token:
            try:
                identity = await self._verifier.verify(token, CALL_AUDIENCES)
            except DomainError:
                # Whoever logs in anew may still send what has ended. A service's own token is never let go so: what it
                # says of its caller rests on it.
                if method.rules.access.WhichOneof("kind") != "public" or behalf or REMOTE_ADDRESS in metadata:
                    raise
        # Only our own services may speak for somebody else, and only with that one's own token.
        if behalf and identity.audience == SERVICE_AUDIENCE:
            try:
                actor = await self._verifier.verify(behalf, CALL_AUDIENCES)
            except DomainError:
                if needs_actor:
                    raise
        elif behalf:
            raise PermissionDenied("service", "only Cloudly's services may call on behalf of another")
        # The address is what the gateway says it is; anybody else could say anything.
        from_service = identity.audience == SERVICE_AUDIENCE
        remote = metadata.get(REMOTE_ADDRESS, "") if from_service else ""
        # The gateway wants nothing for itself: without a client behind it, nobody is calling.
        nobody = actor is None and identity.type == "service" and identity.name == GATEWAY
        shown = actor or (ANONYMOUS if nobody else identity)
        call = Caller(
            identity=ANONYMOUS if nobody else identity,
            token=behalf if actor is not None else token,
            request_id=request_id,
            remote_address=remote or context.peer(),
            user_agent=metadata.get(USER_AGENT if identity.audience == SERVICE_AUDIENCE else "user-agent", ""),
            on_behalf_of=actor,
        )
        set_caller(call)
        authorize(method, identity, shown, actor)
        return call

    def _check(self, method: contract.Method, request: Message) -> None:
        mask = getattr(request, "update_mask", None) if method.name.startswith("Update") else None
        found = validation.violations(request, partial_mask=mask)
        if found:
            raise InvalidArgument.of(*found)


def authorize(method: contract.Method, identity: Identity, shown: Identity, actor: Identity | None) -> None:
    """Refuse the call unless the method's access option admits it; a method without one admits nobody.

    Raises:
        CredentialsMissing: nobody is logged in and somebody has to be.
        PermissionDenied: the roles do not suffice.
        SecondFactorMissing: the session can only enrol a second factor, and this is not part of it.
    """
    rules = method.rules.access
    kind = rules.WhichOneof("kind")
    if kind == "public":
        return
    if kind == "services":
        if identity.type != "service" or identity.name not in rules.services.names:
            raise PermissionDenied("service", "only Cloudly's own services may call this")
        return
    if not shown.id:
        raise CredentialsMissing
    if shown.must_enrol and not method.rules.while_enrolling:
        raise SecondFactorMissing
    if kind == "authenticated":
        if shown.scope is not None and not rules.api_tokens:
            raise PermissionDenied("login", "an API token may not call this: log in instead")
        return
    if kind != "permission":
        raise PermissionDenied("none", "this method grants access to nobody")
    # A service that calls for itself is trusted by its key; one that calls for another has that one's rights.
    if shown.type == "service" and actor is None:
        return
    if not access.allows(shown, rules.permission):
        raise PermissionDenied(rules.permission)
    if shown.scope is not None and shown.scope.limits and not rules.limits:
        limits = access.limits_text(shown.scope)
        raise PermissionDenied("limits", f"this API token is limited to {limits}, and the call is about more than that")


def translate(raised: Exception, where: str) -> DomainError:
    """Any exception as the error that the caller is told; what is our fault is logged whole."""
    if isinstance(raised, DomainError):
        return raised
    if isinstance(raised, TimeoutError):
        return DeadlineExceeded()
    if isinstance(raised, pymongo.errors.ConnectionFailure):
        return Unavailable("database")
    if isinstance(raised, pymongo.errors.PyMongoError) and raised.has_error_label("TransientTransactionError"):
        return Conflict()
    if isinstance(raised, redis.exceptions.ConnectionError | redis.exceptions.TimeoutError):
        return Unavailable("redis")
    log.error("rpc.failed", method=where, exc_info=raised)
    return Internal()


def add_health_and_reflection(server: grpc.aio.Server, services: Iterable[str]) -> Any:
    """Serve grpc.health.v1 and reflection; answers the health servicer."""
    from grpc_health.v1 import _async as aio
    from grpc_health.v1 import health, health_pb2_grpc
    from grpc_reflection.v1alpha import reflection

    servicer = aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
    names = [*services, health.SERVICE_NAME, reflection.SERVICE_NAME]
    reflection.enable_server_reflection(names, server)  # type: ignore[no-untyped-call]
    return servicer


async def _abort(context: Context, error: DomainError) -> None:
    await context.abort_with_status(rpc_status.to_status(to_status(error)))  # type: ignore[no-untyped-call]


def _bearer(header: str) -> str:
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _seconds_left(method: contract.Method, context: Context) -> float:
    remaining = context.time_remaining()
    return method.deadline_seconds if remaining is None else min(method.deadline_seconds, max(0.0, remaining))


def _record(
    method: contract.Method, call: Caller | None, request: Any, error: DomainError | None, started: float
) -> None:
    code = "OK" if error is None else error.reason
    elapsed = time.perf_counter() - started
    if not method.server_streaming:
        metrics.RPC_SECONDS.labels(method.path, code).observe(elapsed)
    fields: Mapping[str, Any] = {
        "method": method.path,
        "code": code,
        "took_ms": round(elapsed * 1000, 1),
        "actor": (call.actor.name if call else "") or "anonymous",
    }
    if method.rules.audit:
        shown = masking.masked(request) if isinstance(request, Message) else {}
        remote = call.remote_address if call else ""
        log.info("rpc.audited", **fields, remote=remote, request=shown, message=error.message if error else "")
    elif error is not None and error.info.http_status >= 500:
        log.warning("rpc.answered", **fields, message=error.message)
    else:
        log.debug("rpc.answered", **fields)
    structlog.contextvars.unbind_contextvars("request_id")
