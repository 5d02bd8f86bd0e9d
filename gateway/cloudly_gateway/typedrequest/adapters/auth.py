"""Logins of people and machines."""

from typing import Any

from cloudly.auth.v1 import auth_pb2
from cloudly_kit.identity import LEGACY_AUDIENCE

from cloudly_gateway.typedrequest.calls import Calls
from cloudly_gateway.typedrequest.fields import Fields
from cloudly_gateway.typedrequest.shapes import identity


async def login(request: Fields, calls: Calls) -> dict[str, Any]:
    """adminLoginWithUsernameAndPassword; the token lives a day, since legacy clients cannot refresh."""
    asked = auth_pb2.LoginRequest(
        username=request.text("username"), password=request.text("password"), audience=LEGACY_AUDIENCE
    )
    answer = await calls.auth.Login(asked)
    return {"identity": identity.identity(answer.identity, answer.access_token)}


async def exchange(request: Fields, calls: Calls) -> dict[str, Any]:
    """getIdentityByToken."""
    asked = auth_pb2.ExchangeTokenRequest(token=request.text("token"), audience=LEGACY_AUDIENCE)
    answer = await calls.auth.ExchangeToken(asked)
    return {"identity": identity.identity(answer.identity, answer.access_token)}
