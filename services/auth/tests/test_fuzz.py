"""Requests that nobody would write, sent to a running auth by an admin, by a viewer and by nobody: none may break it."""

import grpc
import pytest
from cloudly.auth.v1 import api_token_pb2, api_token_pb2_grpc, session_pb2, session_pb2_grpc
from cloudly_kit import contract
from cloudly_kit.fuzzing import BROKEN, requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

METHODS = [one for one in contract.methods().values() if one.owner == "auth"]
EXAMPLES = 20


async def answers(channel: grpc.aio.Channel, method: contract.Method, request, token: str) -> grpc.StatusCode:
    """The status that the call ends with."""
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    kinds = (method.request_class.SerializeToString, method.response_class.FromString)
    try:
        if method.server_streaming:
            async for _ in channel.unary_stream(method.path, *kinds)(request, metadata=metadata, timeout=30):
                break
        else:
            await channel.unary_unary(method.path, *kinds)(request, metadata=metadata, timeout=30)
    except grpc.aio.AioRpcError as refused:
        return refused.code()
    return grpc.StatusCode.OK


@pytest.fixture
async def texts(auth):
    """What exists here, to be drawn into requests; the tokens of an admin, a viewer and nobody are the first three."""
    admin, vera = await auth.login(), await auth.add_user("vera", "viewer")
    token = admin.access_token
    viewer = (await auth.login("vera")).access_token
    made = await api_token_pb2_grpc.ApiTokenServiceStub(auth.channel(token)).CreateApiToken(
        api_token_pb2.CreateApiTokenRequest(token=api_token_pb2.ApiToken(name="ci", roles=["admin"]))
    )
    listed = await session_pb2_grpc.SessionServiceStub(auth.channel(token)).ListSessions(
        session_pb2.ListSessionsRequest()
    )
    known = [vera.id, vera.etag, "vera", "root", "viewer", "admin", "hetznerToken", "roles", "name", made.token.id]
    return [token, viewer, "", made.secret, listed.sessions[0].id, admin.refresh_token, *known]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.path)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # each example costs a call: what failed is shown as it was found
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
async def test_no_request_breaks_auth(method, auth, texts, data):
    request, token = data.draw(requests(method, texts)), data.draw(st.sampled_from(texts[:3]))
    async with grpc.aio.insecure_channel(auth.settings.auth_listen) as channel:
        assert await answers(channel, method, request, token) not in BROKEN
