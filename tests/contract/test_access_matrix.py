"""Every RPC there is, called by everybody there is, through the interceptor that every service has, with real tokens.

What is expected comes from the table in this file, written by hand, not from cloudly_kit.access: a permission that is not
in it fails here until somebody has decided who has it, and a role that gains or loses one does too.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from cloudly_gateway.testing import ContractServer
from cloudly_kit import contract
from cloudly_kit.access import ROLES
from cloudly_kit.testing import ServiceHarness

READERS = {"admin", "operator", "viewer"}
OPERATORS = {"admin", "operator"}
WHO_HAS = {
    "agent.connect": {"cluster"},
    "audit.read": {"admin"},
    "backups.read": READERS,
    "backups.write": OPERATORS,
    "baseos.read": READERS,
    "baseos.write": OPERATORS,
    "clusters.read": READERS | {"api"},
    "clusters.write": OPERATORS,
    "deployments.read": READERS | {"api"},
    "deployments.write": OPERATORS,
    "external-registries.read": READERS | {"api"},
    "external-registries.write": {"admin"},
    "images.read": READERS | {"api"},
    "images.write": OPERATORS | {"api"},
    "keys.manage": {"admin"},
    "keys.read": READERS,
    "registry.pull": READERS | {"api", "cluster"},
    "registry.push": OPERATORS | {"api"},
    "oidc-providers.read": READERS,
    "oidc-providers.write": {"admin"},
    "settings.manage": {"admin"},
    "tasks.read": READERS | {"api"},
    "tasks.run": OPERATORS,
    "users.read": READERS,
    "users.write": {"admin"},
    "webhooks.read": READERS,
    "webhooks.write": {"admin"},
    "workloads.read": READERS | {"api"},
    "workloads.write": OPERATORS | {"api"},
}
EVERY_ROLE = {"admin", "operator", "viewer", "api", "cluster"}
NO_LOGIN, NOT_ALLOWED = grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED
SOME_ID = "a" * 20


class WholeContract(ContractServer):
    """The streams of both sides too, which the gateway never calls."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        method = self._methods.get(handler_call_details.method)
        if method is None or not (method.client_streaming and method.server_streaming):
            return super().service(handler_call_details)

        async def handle(requests: AsyncIterator[Any], _: Any) -> AsyncIterator[Any]:
            yield method.response_class()

        return grpc.stream_stream_rpc_method_handler(
            handle,
            request_deserializer=method.request_class.FromString,
            response_serializer=method.response_class.SerializeToString,
        )


async def refusal(channel: grpc.aio.Channel, method: contract.Method, token: str) -> grpc.StatusCode | None:
    """How the door refuses the call; None when it lets it in, whatever becomes of it inside."""
    serializers = (method.request_class.SerializeToString, method.response_class.FromString)
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    call: Any
    try:
        if method.client_streaming and not method.server_streaming:
            await channel.stream_unary(method.path, *serializers)(iter(()), metadata=metadata, timeout=10)
        elif method.client_streaming:
            call = channel.stream_stream(method.path, *serializers)(iter(()), metadata=metadata, timeout=10)
            await call.read()
        elif method.server_streaming:
            call = channel.unary_stream(method.path, *serializers)(
                method.request_class(), metadata=metadata, timeout=10
            )
            await call.read()
        else:
            await channel.unary_unary(method.path, *serializers)(method.request_class(), metadata=metadata, timeout=10)
    except grpc.aio.AioRpcError as error:
        if error.code() is grpc.StatusCode.UNAVAILABLE:
            raise
        return error.code() if error.code() in (NO_LOGIN, NOT_ALLOWED) else None
    return None


def admitted(method: contract.Method) -> tuple[set[str], bool]:
    """The roles that may call, and whether a caller without any credentials may; by the table above."""
    rules = method.rules.access
    kind = rules.WhichOneof("kind")
    assert kind is not None, f"{method.path} says not who may call it"
    if kind == "permission":
        assert rules.permission in WHO_HAS, f"{method.path}: decide here who has {rules.permission}"
        return WHO_HAS[rules.permission], False
    return {"public": EVERY_ROLE, "authenticated": EVERY_ROLE, "services": set()}[kind], kind == "public"


@pytest.fixture
async def server(harness: ServiceHarness) -> AsyncIterator[WholeContract]:
    """All services behind one address."""
    running = WholeContract(f"unix:{harness.directory}/matrix.sock", harness.authority)
    await running.start()
    yield running
    await running.stop()


async def test_every_rpc_admits_whom_the_table_names_and_nobody_else(server, harness):
    assert set(ROLES) == EVERY_ROLE, "a new role needs its place in the table"
    authority = harness.authority
    authority.revoked.add("ended")
    stranger = type(authority)("unix:/nowhere", authority.issuer)
    roles = {role: authority.issue(role, type="machine" if role == "cluster" else "human") for role in EVERY_ROLE}
    # An admin's token in everything but one thing.
    bad = {
        "expired": authority.issue("admin", seconds=-60),
        "for another audience": authority.issue("admin", audience="registry"),
        "revoked": authority.issue("admin", session="ended"),
        "signed by another": stranger.issue("admin"),
        "with a scope that is not known": authority.issue("admin", scope="*.* galaxy:x"),
        "garbage": "x.y.z",
    }
    whole, limited = authority.issue("admin", scope="*.*"), authority.issue("admin", scope=f"*.* cluster:{SOME_ID}")
    enrolling = authority.issue("admin", enrol=True)
    nothing = authority.issue("admin", scope="nothing.read")
    services = {name: authority.issue(name=name, type="service", audience="service") for name in ("tasks", "gateway")}
    wrong: list[str] = []

    async with grpc.aio.insecure_channel(server.address) as channel:

        async def expect(method: contract.Method, who: str, token: str, code: grpc.StatusCode | None) -> None:
            got = await refusal(channel, method, token)
            if got is not code:
                wrong.append(f"{method.path} by {who}: {got or 'let in'}, not {code or 'let in'}")

        async def check(method: contract.Method) -> None:
            rules = method.rules.access
            kind = rules.WhichOneof("kind")
            who_may, public = admitted(method)
            for role, token in roles.items():
                await expect(method, role, token, None if role in who_may else NOT_ALLOWED)
            for fault, token in bad.items():
                # Whoever logs in anew may still send what has ended: on public methods no token counts.
                await expect(method, f"a token that is {fault}", token, None if public else NO_LOGIN)
            may_enrol = public or method.rules.while_enrolling
            await expect(method, "an admin who has to enrol a factor", enrolling, None if may_enrol else NOT_ALLOWED)
            without = None if public else NOT_ALLOWED if kind == "services" else NO_LOGIN
            await expect(method, "nobody", "", without)
            open_to_tokens = public or (rules.api_tokens if kind == "authenticated" else "admin" in who_may)
            await expect(method, "an API token", whole, None if open_to_tokens else NOT_ALLOWED)
            by_limits = rules.limits if kind == "permission" else open_to_tokens
            await expect(method, "a limited API token", limited, None if by_limits else NOT_ALLOWED)
            by_nothing = open_to_tokens and kind != "permission"
            await expect(method, "an API token for nothing", nothing, None if by_nothing else NOT_ALLOWED)
            named = set(rules.services.names)
            for name, token in services.items():
                own = None if kind == "public" or (kind != "services" and name == "tasks") else NOT_ALLOWED
                if kind == "services":
                    own = None if name in named else NOT_ALLOWED
                elif name == "gateway" and kind != "public":
                    own = NO_LOGIN  # it wants nothing for itself
                await expect(method, f"the service {name}", token, own)

        for batch in _batches(list(contract.methods().values()), 16):
            await asyncio.gather(*map(check, batch))
    assert not wrong, "\n".join(wrong)


def _batches(methods: list[contract.Method], size: int) -> list[list[contract.Method]]:
    return [methods[start : start + size] for start in range(0, len(methods), size)]
