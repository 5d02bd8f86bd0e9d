"""IExternalRegistry. Passwords are written and never read: a mask stands where one is kept; sent back it changes nothing."""

from typing import Any

from cloudly.registry.v1 import external_registry_pb2 as pb

from cloudly_gateway.typedrequest.fields import Fields

MASK = "********"
TYPES = {"docker": pb.EXTERNAL_REGISTRY_TYPE_DOCKER, "npm": pb.EXTERNAL_REGISTRY_TYPE_NPM}
_WORDS = {number: word for word, number in TYPES.items()}
_FIELDS = {"type": "type", "name": "name", "url": "url", "username": "username"}


def external_registry(known: pb.ExternalRegistry) -> dict[str, Any]:
    """The record; what is new since the legacy clients stands beside their fields."""
    return {
        "id": known.id,
        "data": {
            "type": _WORDS.get(known.type, "docker"),
            "name": known.name,
            "url": known.url,
            "username": known.username,
            "password": MASK if known.has_password else "",
            "status": pb.ExternalRegistryStatus.Name(known.status).removeprefix("EXTERNAL_REGISTRY_STATUS_").lower(),
            "lastError": known.last_error,
        },
    }


def from_data(data: Fields) -> pb.ExternalRegistry:
    """The wish in a (partial) `IExternalRegistry['data']`."""
    password = data.text("password")
    return pb.ExternalRegistry(
        type=pb.ExternalRegistryType.ValueType(data.choice("type", TYPES)),
        name=data.text("name"),
        url=data.text("url"),
        username=data.text("username"),
        password="" if password == MASK else password,
    )


def changes(data: Fields) -> list[str]:
    """The fields that a (partial) `IExternalRegistry['data']` wants to set."""
    paths = [field for name, field in _FIELDS.items() if name in data]
    return [*paths, "password"] if "password" in data and data.text("password") != MASK else paths
