"""For tests: a gRPC server that speaks the whole contract, and a real gateway on a real port in front of it."""

import asyncio
import contextlib
import inspect
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from cloudly_kit import contract
from cloudly_kit.config import SERVICES
from cloudly_kit.errors import Unimplemented
from cloudly_kit.identity import Caller, current_call
from cloudly_kit.rpc_server import SERVER_OPTIONS, CallInterceptor, add_health_and_reflection
from cloudly_kit.testing import ServiceHarness, free_port
from cloudly_kit.testing_authority import Authority
from google.protobuf.message import Message

from cloudly_gateway import main
from cloudly_gateway.config import Settings

START_SECONDS = 20


class ContractServer(grpc.GenericRpcHandler):
    """Serves every method of all six services but the streams of both sides, with the kit's own interceptor in front.

    `answers` holds by method name a message, or a function of the request; those of streams are async generators.
    Without one, a unary method answers an empty message.
    """

    def __init__(self, address: str, authority: Authority) -> None:
        self.address = address
        self.answers: dict[str, Any] = {
            "IssueServiceToken": lambda request: authority.IssueServiceToken(request, None),
            "GetJwks": lambda request: authority.GetJwks(request, None),
            "CheckRevocation": lambda request: authority.CheckRevocation(request, None),
        }
        self.asked: list[tuple[str, Any, Caller]] = []
        """What was called, with what, by whom; the newest last."""
        self.open_streams = 0
        self.health: Any = None
        self._methods = contract.methods()
        interceptor = CallInterceptor(authority.verifier())
        self.streams = interceptor.streams
        self._server = grpc.aio.server(interceptors=[interceptor], options=SERVER_OPTIONS)

    async def start(self) -> None:
        """Begin to serve."""
        self._server.add_generic_rpc_handlers((self,))
        self.health = add_health_and_reflection(self._server, [])
        self._server.add_insecure_port(self.address)
        await self._server.start()
        await self.health.set("", 1)

    async def stop(self) -> None:
        """End serving."""
        await self._server.stop(0)

    def names(self) -> list[str]:
        """The names of the methods that were called, in order."""
        return [name for name, _, _ in self.asked]

    def last(self, name: str) -> Any:
        """The newest request of a method."""
        return next(request for asked, request, _ in reversed(self.asked) if asked == name)

    def last_caller(self, name: str) -> Caller:
        """Who sent it."""
        who: Caller = next(who for asked, _, who in reversed(self.asked) if asked == name)
        return who

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[Any, Any] | None":
        """The handler of a method."""
        method = self._methods.get(handler_call_details.method)
        if method is None or (method.client_streaming and method.server_streaming):
            return None
        make: Callable[..., grpc.RpcMethodHandler[Any, Any]]
        if method.client_streaming:
            make, handler = grpc.stream_unary_rpc_method_handler, self._collected(method)
        elif method.server_streaming:
            make, handler = grpc.unary_stream_rpc_method_handler, self._stream(method)
        else:
            make, handler = grpc.unary_unary_rpc_method_handler, self._unary(method)
        return make(
            handler,
            request_deserializer=method.request_class.FromString,
            response_serializer=method.response_class.SerializeToString,
        )

    def _unary(self, method: contract.Method) -> Any:
        async def handle(request: Message, _: Any) -> Any:
            self._note(method, request)
            answer = self.answers.get(method.name, method.response_class())
            answer = answer(request) if callable(answer) else answer
            return await answer if inspect.isawaitable(answer) else answer

        return handle

    def _collected(self, method: contract.Method) -> Any:
        async def handle(requests: AsyncIterator[Message], _: Any) -> Any:
            async for request in requests:
                self._note(method, request)
            return self.answers.get(method.name, method.response_class())

        return handle

    def _stream(self, method: contract.Method) -> Any:
        async def handle(request: Message, _: Any) -> AsyncIterator[Any]:
            self._note(method, request)
            if method.name not in self.answers:
                raise Unimplemented
            self.open_streams += 1
            try:
                async for message in self.answers[method.name](request):
                    yield message
            finally:
                self.open_streams -= 1

        return handle

    def _note(self, method: contract.Method, request: Message) -> None:
        call = current_call()
        if call is not None:
            self.asked.append((method.name, request, call))


@dataclass
class Gateway:
    """A gateway that serves, and everything around it that a test wants to touch."""

    url: str
    client: httpx.AsyncClient
    services: ContractServer
    harness: ServiceHarness
    settings: Settings

    def login(self, *roles: str, name: str = "ada", **claims: Any) -> dict[str, str]:
        """Headers of somebody with these roles."""
        return {"authorization": f"Bearer {self.harness.authority.issue(*roles, name=name, **claims)}"}

    @property
    def admin(self) -> dict[str, str]:
        """Headers of an administrator."""
        return self.login("admin")

    @property
    def web(self) -> Path:
        """The directory in which the dashboard's files would be."""
        return self.settings.dashboard


def gateway_settings(harness: ServiceHarness, addresses: Mapping[str, str], **overrides: Any) -> Settings:
    """Settings of a gateway before these services, on a free port."""
    web = harness.directory / "web"
    web.mkdir(exist_ok=True)
    values = {f"{service}_address": address for service, address in addresses.items()}
    return harness.settings(Settings, listen=f"127.0.0.1:{free_port()}", web_dir=web, **values, **overrides)


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[str]:
    """A gateway that serves from here to the end of the block; answers its URL."""
    url = f"http://{settings.listen}"

    async def body() -> None:
        await main.serve(settings)

    task = asyncio.create_task(body())
    try:
        async with httpx.AsyncClient() as client, asyncio.timeout(START_SECONDS):
            while True:
                if task.done():
                    await task
                with contextlib.suppress(httpx.TransportError):
                    await client.get(f"{url}/healthz")
                    break
                await asyncio.sleep(0.02)
        yield url
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def contract_server(harness: ServiceHarness) -> AsyncIterator[ContractServer]:
    """See ContractServer."""
    server = ContractServer(f"unix:{harness.directory}/all.sock", harness.authority)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def gateway(harness: ServiceHarness, contract_server: ContractServer) -> AsyncIterator[Gateway]:
    """See Gateway."""
    settings = gateway_settings(harness, dict.fromkeys(SERVICES, contract_server.address))
    async with serving(settings) as url, httpx.AsyncClient(base_url=url, timeout=20) as client:
        yield Gateway(url, client, contract_server, harness, settings)
