"""External registries."""

from typing import Any

from cloudly.registry.v1 import external_registry_pb2 as pb
from cloudly_kit.errors import NotFound
from google.protobuf.field_mask_pb2 import FieldMask

from cloudly_gateway.typedrequest.adapters.cluster import DELETED
from cloudly_gateway.typedrequest.calls import Calls, every
from cloudly_gateway.typedrequest.fields import Fields
from cloudly_gateway.typedrequest.shapes import external_registry as shape


async def get_all(request: Fields, calls: Calls) -> dict[str, Any]:
    """getExternalRegistries."""
    del request
    asked = pb.ListExternalRegistriesRequest()
    known = await every(calls.external_registries.ListExternalRegistries, asked, "external_registries")
    return {"registries": [shape.external_registry(one) for one in known]}


async def get(request: Fields, calls: Calls) -> dict[str, Any]:
    """getExternalRegistryById."""
    asked = pb.GetExternalRegistryRequest(external_registry_id=request.required("id"))
    answer = await calls.external_registries.GetExternalRegistry(asked)
    return {"registry": shape.external_registry(answer.external_registry)}


async def create(request: Fields, calls: Calls) -> dict[str, Any]:
    """createExternalRegistry."""
    asked = pb.CreateExternalRegistryRequest(external_registry=shape.from_data(request.record("registryData")))
    answer = await calls.external_registries.CreateExternalRegistry(asked)
    return {"registry": shape.external_registry(answer.external_registry)}


async def update(request: Fields, calls: Calls) -> dict[str, Any]:
    """updateExternalRegistry; the contract has no field for the id: without one the name tells which is meant."""
    data = request.record("registryData")
    wish = shape.from_data(data)
    wish.id = request.text("registryId") or request.text("id") or await _id_of(wish.name, calls)
    asked = pb.UpdateExternalRegistryRequest(
        external_registry=wish, update_mask=FieldMask(paths=shape.changes(data) or ["id"])
    )
    answer = await calls.external_registries.UpdateExternalRegistry(asked)
    return {"resultRegistry": shape.external_registry(answer.external_registry)}


async def delete(request: Fields, calls: Calls) -> dict[str, Any]:
    """deleteExternalRegistryById."""
    id_ = request.text("registryId") or request.required("id")
    await calls.external_registries.DeleteExternalRegistry(pb.DeleteExternalRegistryRequest(external_registry_id=id_))
    return dict(DELETED)


async def _id_of(name: str, calls: Calls) -> str:
    known = await every(
        calls.external_registries.ListExternalRegistries, pb.ListExternalRegistriesRequest(), "external_registries"
    )
    found = [one.id for one in known if one.name == name]
    if not found:
        raise NotFound("external registry", name)
    return str(found[0])
