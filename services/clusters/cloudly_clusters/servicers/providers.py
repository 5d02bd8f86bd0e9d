"""ProviderService: testing connections."""

from typing import Any

from cloudly.clusters.v1 import provider_pb2, provider_pb2_grpc

from cloudly_clusters.providers import Providers


class ProviderServicer(provider_pb2_grpc.ProviderServiceServicer):
    """See proto/cloudly/clusters/v1/provider.proto."""

    def __init__(self, providers: Providers) -> None:
        self._providers = providers

    async def TestProvider(
        self, request: provider_pb2.TestProviderRequest, context: Any
    ) -> provider_pb2.TestProviderResponse:
        """Ask one provider."""
        return provider_pb2.TestProviderResponse(connections=[await self._providers.test(request.provider)])
