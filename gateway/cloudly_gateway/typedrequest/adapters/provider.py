"""Tests of providers, asked of the service that works with each."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from cloudly.backups.v1 import target_pb2
from cloudly.baseos.v1 import corebuild_pb2
from cloudly.clusters.v1 import provider_pb2
from cloudly.common.v1.connection_pb2 import ConnectionTest

from cloudly_gateway.typedrequest.calls import Calls
from cloudly_gateway.typedrequest.fields import Fields


async def test(request: Fields, calls: Calls) -> dict[str, Any]:
    """testProviderConnection: `success` tells that the test took place, `connectionValid` what it found."""
    provider = request.required("provider")
    elsewhere = _ELSEWHERE.get(provider)
    if elsewhere is not None:
        answer = await elsewhere(calls)
    else:
        answer = await calls.providers.TestProvider(provider_pb2.TestProviderRequest(provider=provider))
    return {
        "success": True,
        "message": " · ".join(_told(connection) for connection in answer.connections),
        "connectionValid": all(connection.ok for connection in answer.connections),
    }


_ELSEWHERE: Mapping[str, Callable[[Calls], Awaitable[Any]]] = {
    "corebuild": lambda calls: calls.corebuild.TestCorebuildWorkers(corebuild_pb2.TestCorebuildWorkersRequest()),
    "s3": lambda calls: calls.backup_targets.TestS3Target(target_pb2.TestS3TargetRequest()),
    "smb": lambda calls: calls.backup_targets.TestSmbTarget(target_pb2.TestSmbTargetRequest()),
}
"""What services other than clusters work with."""


def _told(connection: ConnectionTest) -> str:
    found = connection.message[:1].upper() + connection.message[1:]
    return f"{found}. {connection.action}" if connection.action else f"{found}."
