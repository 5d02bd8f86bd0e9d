"""What clusters asks of the other services, behind the protocols that the domain names."""

from collections.abc import Sequence

import grpc
from cloudly.auth.v1 import auth_pb2, auth_pb2_grpc
from cloudly.coreflow.v1 import coreflow_pb2
from cloudly.registry.v1 import (
    external_registry_pb2,
    external_registry_pb2_grpc,
    image_pb2,
    image_pb2_grpc,
    image_version_pb2,
    image_version_pb2_grpc,
    signature_pb2,
    signature_pb2_grpc,
)


class AuthPeer:
    """Machine identities and pull credentials, from auth."""

    def __init__(self, channel: grpc.aio.Channel, registry_host: str) -> None:
        self._auth = auth_pb2_grpc.AuthServiceStub(channel)
        self._registry_host = registry_host

    async def create(self, cluster_id: str, name: str, overlap_seconds: int) -> tuple[str, str]:
        """Make or renew a cluster's machine identity: its id and a new jump code."""
        answer = await self._auth.CreateClusterIdentity(
            auth_pb2.CreateClusterIdentityRequest(
                cluster_id=cluster_id, cluster_name=name, overlap_seconds=overlap_seconds
            )
        )
        return answer.identity_id, answer.jump_code

    async def delete(self, cluster_id: str) -> None:
        """Revoke a cluster's machine identity."""
        await self._auth.DeleteClusterIdentity(auth_pb2.DeleteClusterIdentityRequest(cluster_id=cluster_id))

    async def pull_credentials(self, cluster_id: str) -> coreflow_pb2.RegistryCredentials:
        """Credentials with which a cluster's engines pull from our registry."""
        answer = await self._auth.IssuePullToken(auth_pb2.IssuePullTokenRequest(cluster_id=cluster_id))
        return coreflow_pb2.RegistryCredentials(
            server=self._registry_host,
            username=answer.username,
            password=answer.password,
            expire_time=answer.expire_time,
        )


class RegistryPeer:
    """Repositories, versions, pins and signatures, at the registry."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._images = image_pb2_grpc.ImageServiceStub(channel)
        self._versions = image_version_pb2_grpc.ImageVersionServiceStub(channel)
        self._signatures = signature_pb2_grpc.SignatureServiceStub(channel)
        self._external = external_registry_pb2_grpc.ExternalRegistryServiceStub(channel)

    async def ensure(self, repository: str, workload_id: str) -> tuple[str, str]:
        """Make a workload's repository: the image's id and the target."""
        answer = await self._images.EnsureRepository(
            image_pb2.EnsureRepositoryRequest(repository=repository, workload_id=workload_id)
        )
        return answer.image_id, answer.target

    async def verify(self, image_id: str, digest: str, public_keys: Sequence[str]) -> str:
        """Why none of the keys has signed a digest; empty where one has."""
        answer = await self._signatures.VerifySignatures(
            signature_pb2.VerifySignaturesRequest(image_id=image_id, reference=digest, public_keys=public_keys)
        )
        return "" if answer.verified else answer.reason

    async def resolve(self, server: str, repository: str, tag: str) -> str:
        """The digest that a tag leads to, here or at another registry."""
        answer = await self._versions.ResolveImage(
            image_version_pb2.ResolveImageRequest(server=server, repository=repository, tag=tag)
        )
        return answer.digest

    async def set_pins(self, cluster_id: str, digests: list[str], revision: int) -> None:
        """Tell all pins of a cluster."""
        await self._images.SetPins(image_pb2.SetPinsRequest(cluster_id=cluster_id, digests=digests, revision=revision))

    async def pull_logins(self, servers: Sequence[str]) -> coreflow_pb2.ExternalCredentials:
        """The logins for those of these external registries that have one."""
        answer = await self._external.GetPullLogins(external_registry_pb2.GetPullLoginsRequest(servers=servers))
        return coreflow_pb2.ExternalCredentials(
            registries=[
                coreflow_pb2.RegistryCredentials(server=one.server, username=one.username, password=one.password)
                for one in answer.logins
            ]
        )
