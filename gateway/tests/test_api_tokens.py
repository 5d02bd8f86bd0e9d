"""API tokens as Bearer tokens."""

import asyncio
import time
from typing import Any

from cloudly.auth.v1 import auth_pb2
from cloudly_kit.errors import CredentialsInvalid
from cloudly_kit.identity import REVOKED_KEY
from google.protobuf.timestamp_pb2 import Timestamp

SECRET = "cloudly_pat_" + "s" * 43


def trade(gateway, seconds: int = 600, **claims: Any) -> None:
    """Have auth know the one secret."""

    def exchange(request: auth_pb2.ExchangeTokenRequest) -> auth_pb2.ExchangeTokenResponse:
        if request.token != SECRET:
            raise CredentialsInvalid
        token = gateway.harness.authority.issue("api", name="robot", seconds=seconds, **claims)
        identity = auth_pb2.Identity(name="robot", expire_time=Timestamp(seconds=int(time.time()) + seconds))
        return auth_pb2.ExchangeTokenResponse(access_token=token, identity=identity)

    gateway.services.answers["ExchangeToken"] = exchange


async def call(gateway, secret: str = SECRET) -> Any:
    return await gateway.client.get("/api/v1/clusters", headers={"authorization": f"Bearer {secret}"})


async def test_an_api_token_is_traded_once_for_many_requests(gateway):
    trade(gateway, scope="*.read")
    answers = await asyncio.gather(*(call(gateway) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert gateway.services.names().count("ExchangeToken") == 1
    who = gateway.services.last_caller("ListClusters").actor
    assert (who.name, str(who.scope)) == ("robot", "*.read")
    assert gateway.services.last_caller("ExchangeToken").remote_address == "127.0.0.1"


async def test_what_was_bought_is_not_used_after_a_revocation_nor_close_to_its_end(gateway, redis_client):
    trade(gateway, session="t.0")
    assert (await call(gateway)).status_code == 200
    gateway.harness.authority.revoked.add("t.0")
    await redis_client.set(f"{REVOKED_KEY}t.0", "1")
    trade(gateway, session="t.1", seconds=50)
    assert (await call(gateway)).status_code == 200
    assert (await call(gateway)).status_code == 200
    assert gateway.services.names().count("ExchangeToken") == 3


async def test_a_token_that_auth_does_not_know_is_refused(gateway):
    trade(gateway)
    answer = await call(gateway, "cloudly_pat_wrong")
    assert (answer.status_code, answer.json()["reason"]) == (401, "CREDENTIALS_INVALID")
    assert "ListClusters" not in gateway.services.names()
