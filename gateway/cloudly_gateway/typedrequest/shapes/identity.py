"""IIdentity: who is calling, with the token that proves it."""

from typing import Any

from cloudly.auth.v1 import auth_pb2

from cloudly_gateway.typedrequest.fields import Fields
from cloudly_gateway.typedrequest.shapes.times import milliseconds

_ROLES = ("admin", "cluster", "api")
"""The legacy roles that exist here too, strongest first; all others are a legacy `user`."""
_TYPES = {auth_pb2.IDENTITY_TYPE_MACHINE: "machine"}


def identity(known: auth_pb2.Identity, jwt: str) -> dict[str, Any]:
    """The record that a login answers."""
    return {
        "name": known.name,
        "userId": known.id,
        "type": _TYPES.get(known.type, "human"),
        "role": next((role for role in _ROLES if role in known.roles), "user"),
        "expiresAt": milliseconds(known.expire_time),
        "jwt": jwt,
    }


def token(request: Fields) -> str:
    """What a request's identity proves itself with: the signed token alone, not the plain fields beside it."""
    return request.record("identity").text("jwt") if "identity" in request else ""
