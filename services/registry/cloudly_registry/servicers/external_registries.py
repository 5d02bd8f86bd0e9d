"""ExternalRegistryService."""

from typing import Any

from cloudly.registry.v1 import external_registry_pb2 as pb
from cloudly.registry.v1 import external_registry_pb2_grpc
from cloudly_kit.masks import apply_mask
from cloudly_kit.resources import page_request, request_key, timestamp, with_metadata

from cloudly_registry.external_registries import ExternalRegistries
from cloudly_registry.external_registry_store import ExternalRegistryDocument, ExternalRegistryStore


class ExternalRegistryServicer(external_registry_pb2_grpc.ExternalRegistryServiceServicer):
    """See proto/cloudly/registry/v1/external_registry.proto."""

    def __init__(self, store: ExternalRegistryStore, registries: ExternalRegistries) -> None:
        self._store = store
        self._registries = registries

    async def CreateExternalRegistry(
        self, request: pb.CreateExternalRegistryRequest, context: Any
    ) -> pb.CreateExternalRegistryResponse:
        """Make one."""
        asked = request.external_registry
        document = _with_wish(ExternalRegistryDocument(name=asked.name, url=asked.url, server=""), asked)
        made = await self._registries.create(document, asked.password, request_key(request))
        return pb.CreateExternalRegistryResponse(external_registry=to_message(made))

    async def GetExternalRegistry(
        self, request: pb.GetExternalRegistryRequest, context: Any
    ) -> pb.GetExternalRegistryResponse:
        """One of them."""
        found = await self._store.get(request.external_registry_id)
        return pb.GetExternalRegistryResponse(external_registry=to_message(found))

    async def ListExternalRegistries(
        self, request: pb.ListExternalRegistriesRequest, context: Any
    ) -> pb.ListExternalRegistriesResponse:
        """A page of them."""
        page = await self._store.page(["-"], page_request(request))
        return pb.ListExternalRegistriesResponse(
            external_registries=map(to_message, page.items), next_page_token=page.next_page_token
        )

    async def UpdateExternalRegistry(
        self, request: pb.UpdateExternalRegistryRequest, context: Any
    ) -> pb.UpdateExternalRegistryResponse:
        """Change one."""
        asked, mask = request.external_registry, request.update_mask

        def change(found: ExternalRegistryDocument) -> ExternalRegistryDocument:
            return _with_wish(found, apply_mask(to_message(found), asked, mask))

        renewed = bool(asked.password) if not mask.paths else bool({"password", "*"} & set(mask.paths))
        changed = await self._registries.update(asked.id, asked.etag, change, asked.password if renewed else None)
        return pb.UpdateExternalRegistryResponse(external_registry=to_message(changed))

    async def DeleteExternalRegistry(
        self, request: pb.DeleteExternalRegistryRequest, context: Any
    ) -> pb.DeleteExternalRegistryResponse:
        """Delete one."""
        await self._registries.delete(request.external_registry_id, request.etag)
        return pb.DeleteExternalRegistryResponse()

    async def CheckExternalRegistry(
        self, request: pb.CheckExternalRegistryRequest, context: Any
    ) -> pb.CheckExternalRegistryResponse:
        """Log in there."""
        checked = await self._registries.check(request.external_registry_id)
        return pb.CheckExternalRegistryResponse(external_registry=to_message(checked))

    async def GetPullLogins(self, request: pb.GetPullLoginsRequest, context: Any) -> pb.GetPullLoginsResponse:
        """The logins of servers."""
        found = await self._registries.pull_logins(request.servers)
        return pb.GetPullLoginsResponse(
            logins=[
                pb.PullLogin(server=server, username=login.username, password=login.password) for server, login in found
            ]
        )


def to_message(document: ExternalRegistryDocument) -> pb.ExternalRegistry:
    """The record as the contract tells it: without its password."""
    message = pb.ExternalRegistry(
        name=document.name,
        description=document.description,
        type=pb.ExternalRegistryType.Value(document.type),
        url=document.url,
        username=document.username,
        has_password=document.password is not None,
        server=document.server,
        is_default=document.is_default,
        status=pb.ExternalRegistryStatus.Value(document.status),
        last_error=document.last_error,
        check_time=timestamp(document.check_time),
        cache_prefix=document.cache_prefix,
        cache_ttl_seconds=document.cache_ttl_seconds,
        cache_days=document.cache_days,
    )
    return with_metadata(message, document)


def _with_wish(document: ExternalRegistryDocument, asked: pb.ExternalRegistry) -> ExternalRegistryDocument:
    return document.model_copy(
        update={
            "name": asked.name,
            "labels": dict(asked.labels),
            "description": asked.description,
            "type": pb.ExternalRegistryType.Name(asked.type or pb.EXTERNAL_REGISTRY_TYPE_DOCKER),
            "url": asked.url,
            "username": asked.username,
            "is_default": asked.is_default,
            "cache_prefix": asked.cache_prefix,
            "cache_ttl_seconds": asked.cache_ttl_seconds,
            "cache_days": asked.cache_days,
        }
    )
