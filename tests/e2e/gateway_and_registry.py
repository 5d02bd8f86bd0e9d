"""A real registry, and a real gateway before it."""

import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from cloudly.auth.v1 import access_pb2
from cloudly_gateway.testing import ContractServer, gateway_settings, serving
from cloudly_kit.config import SERVICES
from cloudly_kit.identity import REVOKED_KEY
from cloudly_registry.testing import Registry, running_registry
from redis.asyncio import Redis


@dataclass(frozen=True)
class House:
    """Both of them."""

    registry: Registry
    url: str
    """The gateway's."""

    async def revoke(self, session: str) -> None:
        """End a session, as auth tells it."""
        async with Redis.from_url(self.registry.settings.redis_url.get_secret_value()) as client:
            await client.set(f"{REVOKED_KEY}{session}", "1", ex=600)


@pytest.fixture(scope="module")
async def house(scratch: Path, mongo_url: str, redis_url: str) -> AsyncIterator[House]:
    """See House."""
    async with AsyncExitStack() as stack:
        where = scratch / f"h{uuid.uuid4().hex[:7]}"
        registry = await stack.enter_async_context(running_registry(where, mongo_url, redis_url))
        others = ContractServer(f"unix:{where}/others.sock", registry.auth)
        others.answers["TestPermissions"] = lambda request: access_pb2.TestPermissionsResponse(
            results=[access_pb2.PermissionResult(permission=request.permission, allowed=True)]
        )
        await others.start()
        stack.push_async_callback(others.stop)
        addresses = dict.fromkeys(SERVICES, others.address) | {"registry": registry.settings.listen_address("registry")}
        settings = gateway_settings(registry.harness, addresses)
        url = await stack.enter_async_context(serving(settings))
        yield House(registry, url)
