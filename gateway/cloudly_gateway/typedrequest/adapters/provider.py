"""Tests of providers, asked of the service that works with each."""

from typing import Any

from cloudly.clusters.v1 import provider_pb2
from cloudly.common.v1.connection_pb2 import ConnectionTest

from cloudly_gateway.typedrequest.calls import Calls
from cloudly_gateway.typedrequest.fields import Fields


async def test(request: Fields, calls: Calls) -> dict[str, Any]:
    """testProviderConnection: `success` tells that the test took place, `connectionValid` what it found."""
    provider = request.required("provider")
    answer = await calls.providers.TestProvider(provider_pb2.TestProviderRequest(provider=provider))
    return {
        "success": True,
        "message": " · ".join(_told(connection) for connection in answer.connections),
        "connectionValid": all(connection.ok for connection in answer.connections),
    }


def _told(connection: ConnectionTest) -> str:
    found = connection.message[:1].upper() + connection.message[1:]
    return f"{found}. {connection.action}" if connection.action else f"{found}."
